"""JSON text of a user's row: taken only where it is one JSON object from its first to its last byte, and written anew.

Nothing of such a text may reach a request unread: a text that goes on behind its object would become another item of
the batch (docs/decisions/0015-what-reaches-a-byte.md). Plain Python, for Spark's workers.
"""

from __future__ import annotations

import json
import re
from typing import Any

# Some readers of JSON stop at 100 levels, and a request adds three around an object
MAX_DEPTH = 64
_ESCAPES = {'"': '\\"', "\\": "\\\\", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_ESCAPED = re.compile(r'["\\\x00-\x1f]')


class _Number(str):
    """A number as its digits stand in the text: a double would lose some of them."""

    __slots__ = ()


def read_object(text: str | None) -> str | None:
    """Write the JSON object of a text anew, without white space; numbers keep their digits.

    Args:
        text: JSON text; white space around the object is allowed, and control characters inside its texts.

    Returns:
        the object, escaped as Spark's `to_json` escapes; None for whatever else it is: no JSON, no object, more than an
        object, a key twice at any depth, NaN, an infinity or a number beyond a double's range, half of a surrogate
        pair, or more than `MAX_DEPTH` levels.
    """
    if text is None:
        return None
    try:
        value = _DECODER.decode(text)
        if not isinstance(value, dict):
            return None
        pieces: list[str] = []
        _write(value, pieces, 1)
        written = "".join(pieces)
        written.encode()
    except (ValueError, RecursionError):
        return None
    return written


def _number(digits: str) -> _Number:
    # Readers of JSON make an infinity of a number that no double can carry
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


def _write(value: Any, pieces: list[str], depth: int) -> None:
    if isinstance(value, _Number):
        pieces.append(value)
    elif isinstance(value, str):
        pieces.append(_quoted(value))
    elif value is None:
        pieces.append("null")
    elif isinstance(value, bool):
        pieces.append("true" if value else "false")
    elif depth > MAX_DEPTH:
        raise ValueError
    elif isinstance(value, dict):
        for number, (name, item) in enumerate(value.items()):
            pieces.append(("," if number else "{") + _quoted(name) + ":")
            _write(item, pieces, depth + 1)
        pieces.append("}" if value else "{}")
    else:
        for number, item in enumerate(value):
            pieces.append("," if number else "[")
            _write(item, pieces, depth + 1)
        pieces.append("]" if value else "[]")


def _quoted(text: str) -> str:
    return '"' + _ESCAPED.sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    character = found[0]
    return _ESCAPES.get(character) or f"\\u{ord(character):04X}"
