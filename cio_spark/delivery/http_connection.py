"""HTTP connections that another thread can cut, whatever they are doing."""

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
    """Holds on to the socket of the exchange under way.

    It keeps a duplicate of the socket: shutting that down reaches the connection itself, also in the middle of a TLS
    handshake, a proxy's CONNECT, an upload or an answer, and when http.client has let go of the original.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._clock = SystemClock()
        self._connection: HTTPConnection | None = None
        self._handle: socket.socket | None = None
        self._deadline = 0.0
        self._cut = False

    def begin(self, seconds: float) -> None:
        """A new exchange starts, to last so long at most."""
        with self._lock:
            self._cut = False
            self._deadline = self._clock.monotonic() + seconds

    def attach(self, connection: HTTPConnection, sock: socket.socket) -> None:
        """The exchange goes over this new socket."""
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
        """The exchange is over; a connection that is not kept alive is really closed."""
        with self._lock:
            if self._connection is not None and self._connection.sock is None:
                self._drop_handle()

    @property
    def is_cut(self) -> bool:
        """Whether the exchange was ended by `cut`."""
        return self._cut

    @property
    def seconds_left(self) -> float:
        """Until the deadline."""
        return self._deadline - self._clock.monotonic()

    def _shut_down(self) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self._handle.shutdown(socket.SHUT_RDWR)

    def _drop_handle(self) -> None:
        if self._handle is not None:
            self._handle.close()
        self._connection = self._handle = None


def abortable(cord: AbortHandle, kind: type[HTTPConnection]) -> type[HTTPConnection]:
    """A kind of connection whose sockets hang on the cord.

    Args:
        cord: of the one lane that uses the connections.
        kind: urllib3's connection for http or https.
    """

    class TiedConnection(kind):  # type: ignore[misc,valid-type]  # a base class known at run time only
        def _new_conn(self) -> socket.socket:
            """Connect within the deadline; urllib3 would grant each of a host's addresses the whole time."""
            error: OSError | None = None
            try:
                found = socket.getaddrinfo(self._dns_host, self.port, type=socket.SOCK_STREAM)
            except socket.gaierror as unknown:
                raise NameResolutionError(self.host, self, unknown) from unknown
            for *_, address in found:
                if (left := cord.seconds_left) <= 0 or cord.is_cut:
                    break
                try:
                    sock = _connect((str(address[0]), int(address[1])), left, self)
                except OSError as refused:
                    error = refused
                    continue
                sock.settimeout(self.timeout)
                cord.attach(self, sock)
                return sock
            if error is None or isinstance(error, TimeoutError):
                raise ConnectTimeoutError(self, "connecting took too long") from error
            raise NewConnectionError(self, "no connection") from error

    return TiedConnection


def _connect(address: tuple[str, int], seconds: float, connection: Any) -> socket.socket:
    return create_connection(address, seconds, connection.source_address, connection.socket_options)
