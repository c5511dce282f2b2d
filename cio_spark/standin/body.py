"""Reads the messages of a request's JSON, and tells the size of each."""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterable, Iterator
from itertools import repeat
from typing import NoReturn, TypeAlias

from cio_spark.standin.contract import SAFE_ITEM_BYTES
from cio_spark.standin.message import QUICK_ITEM_BYTES, Message, NoMessage, as_message, decode_batch


class MalformedBodyError(ValueError):
    """Reports that a body is not the JSON that the call takes; the error's text never quotes the body."""


Item: TypeAlias = tuple[Message | NoMessage, int]
"""A message and its size in bytes; if no limit is near, the size is any number below the limits."""


def _refuse_constant(_: str) -> NoReturn:
    raise MalformedBodyError("NaN and Infinity are not JSON")


_decode = json.JSONDecoder(parse_constant=_refuse_constant).raw_decode
_space = re.compile(r"[ \t\n\r]*").match


def read_items(body: bytes, call: str) -> Iterable[Item]:
    """Return the messages of a body: the items of the `batch` array, or the whole body for every other call.

    Args:
        body: the uncompressed body.
        call: the path of the request, without its slash.

    Raises:
        MalformedBodyError: the body is not the JSON that the call takes. This may be raised during the iteration, and
            the messages that were yielded before belong to a broken body.
    """
    messages = decode_batch(body) if call == "batch" else None
    return read_one_by_one(body, call) if messages is None else zip(messages, repeat(QUICK_ITEM_BYTES), strict=False)


def read_one_by_one(body: bytes, call: str) -> Iterator[Item]:
    """Yield the messages as `read_items` returns them, for every body, but slowly.

    Raises:
        MalformedBodyError: see `read_items`.
    """
    try:
        text = body.decode()
        if call == "batch":
            yield from _read_batch(text)
            return
        start = _skip(text, 0)
        value, end = _decode(text, start)
        if _skip(text, end) != len(text):
            raise MalformedBodyError("body goes on after its JSON value")
        yield as_message(value), _size_bytes(text, start, end)
    except MalformedBodyError:
        raise
    except UnicodeDecodeError:
        raise MalformedBodyError("body is not UTF-8") from None
    except (IndexError, ValueError, RecursionError):
        raise MalformedBodyError("body is not JSON") from None


def _read_batch(text: str) -> Iterator[Item]:
    """Yield the items of `{"batch": [...], ...}`; the member `batch` may be at any position."""
    found = False
    index = _after(text, _skip(text, 0), "{")
    if text[index] == "}":
        raise MalformedBodyError("batch is missing")
    while True:
        key, index = _decode(text, index)
        index = _after(text, _skip(text, index), ":")
        if key == "batch" and text[index] == "[" and not found:
            found = True
            index = yield from _read_array(text, index)
        elif isinstance(key, str) and key != "batch":
            _, index = _decode(text, index)
        else:
            raise MalformedBodyError("batch is not one array")
        index = _skip(text, index)
        if text[index] == "}":
            break
        index = _after(text, index, ",")
    if not found:
        raise MalformedBodyError("batch is missing")
    if _skip(text, index + 1) != len(text):
        raise MalformedBodyError("body goes on after its JSON value")


def _read_array(text: str, index: int) -> Generator[Item, None, int]:
    """Yield the items of the array that opens at `index`; return the index behind its closing bracket."""
    ascii_only = text.isascii()
    index = _after(text, index, "[")
    if text[index] == "]":
        return index + 1
    while True:
        value, end = _decode(text, index)
        yield as_message(value), end - index if ascii_only else _size_bytes(text, index, end)
        if text[end] == "," and text[end + 1] == "{":  # the usual, compact separator
            index = end + 1
            continue
        end = _skip(text, end)
        if text[end] == "]":
            return end + 1
        index = _after(text, end, ",")


def _after(text: str, index: int, mark: str) -> int:
    """Return the index of the next token behind `mark`, which must be at `index`."""
    if text[index] != mark:
        raise MalformedBodyError("body is not JSON")
    return _skip(text, index + 1)


def _skip(text: str, index: int) -> int:
    """Return the next index at which there is no white space."""
    match = _space(text, index)
    return match.end() if match else index


def _size_bytes(text: str, start: int, end: int) -> int:
    """Return the size of an item in bytes, or the number of its characters if it is too short to exceed a limit."""
    characters = end - start
    return characters if characters * 4 <= SAFE_ITEM_BYTES else len(text[start:end].encode())
