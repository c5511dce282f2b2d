"""Reading a request's body off the connection, always bounded."""

from __future__ import annotations

import zlib
from email.message import Message
from io import BufferedIOBase
from typing import TypeAlias

Headers: TypeAlias = "Message[str, str]"
"""Header names in any case, as http.server gives them."""

READ_LIMIT_BYTES = 16 * 1024 * 1024
"""No more is taken into memory of one body, compressed or not."""

_LINE_LIMIT_BYTES = 4096
_TRAILER_LIMIT = 100


class UnreadableBodyError(Exception):
    """The body's framing is broken or it is larger than `READ_LIMIT_BYTES`; the connection cannot be used further."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class BrokenCompressionError(ValueError):
    """A body that claims to be gzip is not."""


def read_body(stream: BufferedIOBase, headers: Headers) -> bytes:
    """Read the body that the headers announce (`Content-Length` or chunked), still compressed.

    Raises:
        UnreadableBodyError: it cannot be read, or is too large to be.
    """
    transfer = headers.get("Transfer-Encoding")
    if transfer is not None:
        if transfer.strip().lower() != "chunked":
            raise UnreadableBodyError(501, "Transfer-Encoding is not chunked")
        return _read_chunks(stream)
    announced = headers.get("Content-Length", "0").strip()
    if not (announced.isascii() and announced.isdigit()):
        raise UnreadableBodyError(400, "Content-Length is not a number")
    if len(announced) > 12 or int(announced) > READ_LIMIT_BYTES:
        raise UnreadableBodyError(413, "body is too large to be read")
    return _read_exactly(stream, int(announced))


def decompress(body: bytes) -> bytes:
    """Expand a gzip body (also of several members), at most to a little over `READ_LIMIT_BYTES`.

    Raises:
        BrokenCompressionError: it is not a complete gzip stream.
    """
    expanded = bytearray()
    rest = body
    while rest and len(expanded) <= READ_LIMIT_BYTES:
        stream = zlib.decompressobj(wbits=31)  # 31: the gzip format only
        try:
            expanded += stream.decompress(rest, READ_LIMIT_BYTES + 1 - len(expanded))
        except zlib.error:
            raise BrokenCompressionError from None
        if not stream.eof and len(expanded) <= READ_LIMIT_BYTES:
            raise BrokenCompressionError
        rest = stream.unused_data
    return bytes(expanded)


def _read_chunks(stream: BufferedIOBase) -> bytes:
    body = bytearray()
    while True:
        size_text = stream.readline(_LINE_LIMIT_BYTES).split(b";")[0].strip()
        try:
            size = int(size_text, 16)
        except ValueError:
            raise UnreadableBodyError(400, "chunk size is not a number") from None
        if size < 0 or len(body) + size > READ_LIMIT_BYTES:
            raise UnreadableBodyError(413, "body is too large to be read")
        if size == 0:
            break
        body += _read_exactly(stream, size)
        if stream.readline(_LINE_LIMIT_BYTES).strip():
            raise UnreadableBodyError(400, "chunk is longer than announced")
    for _ in range(_TRAILER_LIMIT):
        if not stream.readline(_LINE_LIMIT_BYTES).strip():
            return bytes(body)
    raise UnreadableBodyError(400, "too many trailers")


def _read_exactly(stream: BufferedIOBase, size: int) -> bytes:
    body = stream.read(size)
    if len(body) < size:
        raise UnreadableBodyError(400, "connection ended within the body")
    return body
