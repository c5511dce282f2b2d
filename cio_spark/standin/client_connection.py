"""The server's side of one connection: waiting on it and noticing that the client has left."""

from __future__ import annotations

import selectors
import socket

from cio_spark.clock import Clock


def peer_has_left(peer: socket.socket) -> bool:
    """Whether the client has closed its end (or the server its own)."""
    try:
        return peer.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT) == b""
    except BlockingIOError:
        return False
    except OSError:
        return True


def wait_for_peer(peer: socket.socket, seconds: float, clock: Clock) -> bool:
    """Wait, but not longer than the client does.

    Args:
        peer: the connection.
        seconds: how long.
        clock: waits for the rest if the client sends more meanwhile.

    Returns:
        Whether the client is still there.
    """
    if seconds <= 0:
        return True
    start = clock.monotonic()
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(peer, selectors.EVENT_READ)
            if not selector.select(seconds):
                return True
    except (OSError, ValueError):  # closed by `stop` meanwhile
        return False
    if peer_has_left(peer):
        return False
    clock.sleep(seconds - (clock.monotonic() - start))
    return not peer_has_left(peer)
