"""Makes HTTP connections that another thread can cut in every phase of an exchange."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError
from urllib3.util.connection import create_connection

from cio_spark.clock import SystemClock


class AbortHandle:
    """Keeps the socket of the current exchange, so that another thread can cut the exchange.

    It keeps a duplicate of the socket: shutting down the duplicate reaches the connection itself, also in the middle of
    a TLS handshake, a proxy's CONNECT, an upload or an answer, and also after http.client has released the original.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = SystemClock()
        self._connection: HTTPConnection | None = None
        self._handle: socket.socket | None = None
        self._deadline = 0.0
        self._cut = False

    def begin(self, seconds: float) -> None:
        """Start a new exchange that may last `seconds` at most."""
        with self._lock:
            self._cut = False
            self._deadline = self._clock.monotonic() + seconds

    def attach(self, connection: HTTPConnection, sock: socket.socket) -> None:
        """Register the new socket over which the exchange goes."""
        with self._lock:
            self._drop_handle()
            self._connection, self._handle = connection, sock.dup()
            if self._cut:
                self._shut_down()

    def cut(self) -> None:
        """End the exchange at once: every read and write on its socket returns or fails."""
        with self._lock:
            self._cut = True
            self._shut_down()

    def end(self) -> None:
        """End the bookkeeping of an exchange; a connection that is not kept alive is really closed."""
        with self._lock:
            if self._connection is not None and self._connection.sock is None:
                self._drop_handle()

    @property
    def is_cut(self) -> bool:
        """Tell whether `cut` has ended the exchange."""
        return self._cut

    @property
    def seconds_left(self) -> float:
        """Return the seconds until the deadline."""
        return self._deadline - self._clock.monotonic()

    def _shut_down(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def _drop_handle(self) -> None:
        if self._handle is not None:
            self._handle.close()
        self._connection = self._handle = None


def abortable(abort_handle: AbortHandle, kind: type[HTTPConnection]) -> type[HTTPConnection]:
    """Return a connection class whose sockets a handle can cut.

    Args:
        abort_handle: handle of the one lane that uses the connections.
        kind: urllib3's connection class for http or https.
    """

    class AbortableConnection(kind):  # type: ignore[misc,valid-type]  # a base class known at run time only
        def _new_conn(self) -> socket.socket:
            """Connect within the deadline; urllib3 would allow the whole time for each address of a host."""
            error: OSError | None = None
            try:
                found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            except socket.gaierror as unknown:
                raise NameResolutionError(self.host, self, unknown) from unknown
            for *_, address in found:
                if (left := abort_handle.seconds_left) <= 0 or abort_handle.is_cut:
                    break
                try:
                    sock = _connect((str(address[0]), int(address[1])), left, self)
                except OSError as refused:
                    error = refused
                    continue
                sock.settimeout(self.timeout)
                abort_handle.attach(self, sock)
                return sock
            if error is None or isinstance(error, TimeoutError):
                raise ConnectTimeoutError(self, "connecting took too long") from error
            raise NewConnectionError(self, "no connection") from error

    return AbortableConnection


def _connect(address: tuple[str, int], seconds: float, connection: Any) -> socket.socket:
    return create_connection(address, seconds, connection.source_address, connection.socket_options)
