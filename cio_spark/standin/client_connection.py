"""Waits on the server's side of a connection, and notices when the client has left."""

from __future__ import annotations

import selectors
import socket

from cio_spark.clock import Clock


def peer_has_left(peer: socket.socket) -> bool:
    """Tell whether the client has closed its end of the connection, or the server its own."""
    try:
        return peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def wait_for_peer(peer: socket.socket, seconds: float, clock: Clock) -> bool:
    """Wait for some seconds, but stop when the client leaves.

    Args:
        peer: the connection.
        seconds: time to wait, in seconds.
        clock: waits for the remaining time if the client sends data meanwhile.

    Returns:
        True if the client is still connected.
    """
    if seconds <= 0:
        return True
    start = clock.monotonic()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(peer, selectors.EVENT_READ)
            if not selector.select(seconds):
                return True
    except (OSError, ValueError):  # the server has closed the connection meanwhile, in `stop`
        return False
    if peer_has_left(peer):
        return False
    clock.sleep(seconds - (clock.monotonic() - start))
    return not peer_has_left(peer)
