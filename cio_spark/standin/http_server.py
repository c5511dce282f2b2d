"""Runs the listening socket with one thread for each connection; `close` ends all of them."""

from __future__ import annotations

import contextlib
import socket
import sys
import threading
from http.server import ThreadingHTTPServer
from typing import Any

import structlog

from cio_spark.clock import Clock
from cio_spark.errors import ConfigurationError
from cio_spark.standin.handler import Handler
from cio_spark.standin.inspection import Inspection
from cio_spark.standin.reception import Reception

_JOIN_SECONDS = 10.0
_POLL_SECONDS = 0.5


class StandInHTTPServer(ThreadingHTTPServer):
    """Listens for connections, and remembers them so that it can end them.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for any free port.
        reception: serves the API.
        inspection: serves `/_standin/`.
        clock: waits for latencies and pauses.

    Raises:
        ConfigurationError: the address or port cannot be used.
    """

    request_queue_size = 128
    daemon_threads = True

    def __init__(self, host: str, port: int, reception: Reception, inspection: Inspection, clock: Clock) -> None:
        self.reception = reception
        self.inspection = inspection
        self.clock = clock
        self._connections: dict[threading.Thread, socket.socket] = {}
        try:
            super().__init__((host, port), Handler)
        except (OSError, OverflowError) as error:
            reason = error.strerror if isinstance(error, OSError) else "ports go from 0 to 65535"
            raise ConfigurationError.of("port", f"the stand-in cannot listen on {host}:{port}: {reason}") from error
        self._acceptor = threading.Thread(target=self.serve_forever, args=(_POLL_SECONDS,), name="standin", daemon=True)
        self._acceptor.start()

    def server_bind(self) -> None:
        """Bind the socket without the look-up of the host's name that http.server would make."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_name, self.server_port = self.server_address = self.socket.getsockname()[:2]

    def process_request(self, request: Any, client_address: Any) -> None:
        """Start a thread that serves the connection."""
        thread = threading.Thread(
            target=self._serve_connection, args=(request, client_address), name="standin-connection", daemon=True
        )
        self._connections[thread] = request
        thread.start()

    def _serve_connection(self, request: Any, client_address: Any) -> None:
        try:
            self.process_request_thread(request, client_address)
        finally:
            self._connections.pop(threading.current_thread(), None)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002  the base class's signature
        """Log an exception of a connection, unless it only says that the client has left."""
        if not isinstance(sys.exc_info()[1], ConnectionError):
            structlog.get_logger(__name__).exception("standin_request_failed")

    def close(self) -> None:
        """Stop listening and end every connection, even one that waits or sends an answer byte by byte."""
        with contextlib.suppress(OSError):
            self.socket.shutdown(socket.SHUT_RDWR)  # wakes the acceptor
        self.shutdown()
        self.server_close()
        self._acceptor.join(_JOIN_SECONDS)
        connections = list(self._connections.items())
        for _, connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread, _ in connections:
            thread.join(_JOIN_SECONDS)
