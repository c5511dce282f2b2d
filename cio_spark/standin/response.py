"""Describes the answer to a client, and sends it at once, slowly or without end."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus

from cio_spark.clock import Clock
from cio_spark.standin.client_connection import wait_for_peer
from cio_spark.standin.contract import ErrorShape

_ENDLESS_CHUNK = b"{" * 65_536
_PHRASES = {status.value: status.phrase for status in HTTPStatus}


@dataclass(frozen=True)
class Response:
    """Holds one answer and the way in which it is sent.

    Args:
        status: HTTP status; None to close the connection without an answer.
        body: body of the answer.
        content_type: media type of the body.
        headers: further headers, as pairs of name and value.
        latency_seconds: pause before the answer.
        trickle_headers_seconds: pause before each byte of the head.
        trickle_body_seconds: pause before each byte of the body.
        endless: whether the body never ends.
        close: whether the connection is closed after the answer.
    """

    status: int | None
    body: bytes = b"{}"
    content_type: str = "application/json"
    headers: tuple[tuple[str, str], ...] = ()
    latency_seconds: float = 0.0
    trickle_headers_seconds: float = 0.0
    trickle_body_seconds: float = 0.0
    endless: bool = False
    close: bool = False

    def send(self, peer: socket.socket, clock: Clock, before_last_byte: Callable[[], None]) -> bool:
        """Write the answer to the connection: in one piece, unless it is sent byte by byte or without end.

        Args:
            peer: the connection.
            clock: see `wait_for_peer`.
            before_last_byte: called just before the last byte is sent.

        Returns:
            True if the connection can be used further.

        Raises:
            OSError: the client has left.
        """
        if not wait_for_peer(peer, self.latency_seconds, clock) or self.status is None:
            return False
        head = self._head()
        if self.endless:
            self._write(peer, head, self.trickle_headers_seconds, clock)
            chunk = b"1\r\n{\r\n" if self.trickle_body_seconds else b"10000\r\n" + _ENDLESS_CHUNK + b"\r\n"
            while wait_for_peer(peer, self.trickle_body_seconds, clock):
                peer.sendall(chunk)
            return False
        if not (self.trickle_headers_seconds or self.trickle_body_seconds):
            before_last_byte()
            peer.sendall(head + self._sendable_body)
            return not self.close
        self._write(peer, head, self.trickle_headers_seconds, clock)
        self._write(peer, self._sendable_body[:-1], self.trickle_body_seconds, clock)
        there = wait_for_peer(peer, self.trickle_body_seconds, clock)
        before_last_byte()
        peer.sendall(self._sendable_body[-1:])
        return there and not self.close

    @property
    def _sendable_body(self) -> bytes:
        return b"" if self.status in (204, 304) else self.body

    def _head(self) -> bytes:
        status = self.status or 0
        reason = _PHRASES.get(status, "Unknown")
        lines = [f"HTTP/1.1 {status} {reason}", f"Date: {formatdate(usegmt=True)}"]
        if self.endless:
            lines += [f"Content-Type: {self.content_type}", "Transfer-Encoding: chunked"]
        elif status not in (204, 304):
            lines += [f"Content-Type: {self.content_type}", f"Content-Length: {len(self.body)}"]
        lines += [f"{name}: {value}" for name, value in self.headers]
        if self.close or self.endless:
            lines.append("Connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    @staticmethod
    def _write(peer: socket.socket, data: bytes, pause_seconds: float, clock: Clock) -> None:
        """Write data at once, or byte by byte if there is a pause between bytes."""
        if not pause_seconds:
            peer.sendall(data)
            return
        for position in range(len(data)):
            if not wait_for_peer(peer, pause_seconds, clock):
                raise ConnectionAbortedError
            peer.sendall(data[position : position + 1])


def error_body(reasons: Iterable[str], shape: ErrorShape) -> bytes:
    """Return an error body in one of the two documented shapes; it does not say which message a reason is about."""
    errors = list(dict.fromkeys(reasons))
    meta = {"errors": errors} if shape == "errors" else {"error": "; ".join(errors)}
    return json.dumps({"meta": meta}).encode()
