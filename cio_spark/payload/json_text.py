"""Reads JSON text of a user's row: it must be exactly one JSON object, which is written anew.

No part of such a text may reach a request unread: a text that continues after its object would become another item of
the batch (docs/decisions/0015-what-reaches-a-byte.md). The module is plain Python, for Spark's workers.
"""

from __future__ import annotations

import json
import re
from json.encoder import encode_basestring
from typing import Any

# Some JSON parsers stop at 100 levels, and a request adds three levels around an object
MAX_DEPTH = 64
# An escape of four digits; escaped backslashes may come before it, and they do not begin an escape
_CODE = re.compile(r"((?<!\\)(?:\\\\)*\\u)([0-9a-f]{4})")


class _Number(str):
    """Holds the digits of a number as they are in the text, because a double would lose some of them."""

    __slots__ = ()


def read_object(text: str | None) -> str | None:
    """Write the JSON object of a text anew, without white space; numbers keep their digits.

    Args:
        text: JSON text. White space around the object is allowed, and so are control characters inside its texts.

    Returns:
        The object, escaped as Spark's `to_json` escapes. None for any other text: no JSON, no object, more than an
        object, a key that occurs twice at any depth, NaN, an infinity or a number beyond a double's range, half of a
        surrogate pair, or more than `MAX_DEPTH` levels.
    """
    if text is None:
        return None
    try:
        value = _DECODER.decode(text)
        if not isinstance(value, dict):
            return None
        written = _written(value, 1)
        written.encode()
    except (ValueError, RecursionError):
        return None
    return written


def _number(digits: str) -> _Number:
    # JSON parsers turn a number beyond a double's range into an infinity
    if float(digits) in (float("inf"), float("-inf")):
        raise ValueError
    return _Number(digits)


def _no_number(_: str) -> None:
    raise ValueError


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        raise ValueError
    return fields


_DECODER = json.JSONDecoder(
    object_pairs_hook=_object, parse_float=_number, parse_int=_number, parse_constant=_no_number, strict=False
)


def _written(value: Any, depth: int) -> str:
    kind = type(value)
    if kind is str:
        return _quoted(value)
    if kind is _Number:
        return str(value)
    if value is None:
        return "null"
    if kind is bool:
        return "true" if value else "false"
    if depth > MAX_DEPTH:
        raise ValueError
    inside = depth + 1
    if kind is dict:
        return "{" + ",".join([f"{_quoted(name)}:{_written(item, inside)}" for name, item in value.items()]) + "}"
    return "[" + ",".join([_written(item, inside) for item in value]) + "]"


def _quoted(text: str) -> str:
    quoted = encode_basestring(text)
    # Spark writes the escapes of control characters that have no short form with capital digits
    return _CODE.sub(lambda found: found[1] + found[2].upper(), quoted) if "\\u00" in quoted else quoted
