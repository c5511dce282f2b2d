"""Reads and decompresses a request's body, always within a limit of size."""

from __future__ import annotations

import zlib
from email.message import Message
from io import BufferedIOBase
from typing import TypeAlias

Headers: TypeAlias = "Message[str, str]"
"""Headers as http.server gives them; upper and lower case in names make no difference."""

READ_LIMIT_BYTES = 16 * 1024 * 1024
"""Most bytes of one body that are taken into memory, compressed or not."""

_LINE_LIMIT_BYTES = 4096
_TRAILER_LIMIT = 100


class UnreadableBodyError(Exception):
    """Reports that a body has broken framing or is too large to be read; the connection cannot be used further."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(status, reason)
        self.status = status
        self.reason = reason


class BrokenCompressionError(ValueError):
    """Reports that a body that claims to be gzip is not."""


def read_body(stream: BufferedIOBase, headers: Headers) -> bytes:
    """Read the body that the headers announce (`Content-Length` or chunked), without decompressing it.

    Raises:
        UnreadableBodyError: the body cannot be read, or is larger than `READ_LIMIT_BYTES`.
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
    """Decompress a gzip body (also of several members), at most to one byte more than `READ_LIMIT_BYTES`.

    Raises:
        BrokenCompressionError: the body is not a complete gzip stream.
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
