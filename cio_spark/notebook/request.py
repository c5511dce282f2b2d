"""Prepares a request, which a user writes as a dictionary, for sending."""

from __future__ import annotations

import hashlib
import json
import uuid
from collections.abc import Mapping
from datetime import date, datetime, timezone
from decimal import Decimal
from typing import Any

from cio_spark.config.api_limits import MAX_ITEM_BYTES
from cio_spark.delivery import PreparedRow
from cio_spark.ids import ulid

ID_HASH_BYTES = 10
# A request without `type` has the type of the first of these members that it has
_TYPE_BY_MEMBER = {"event": "track", "previousId": "alias", "groupId": "group", "traits": "identify"}


def prepare_request(request: Any, position: int, key: str, lane: int = 0) -> PreparedRow:
    """Prepare a request for sending.

    Times become ISO 8601 in UTC, with milliseconds; dates become ISO 8601. A missing `type` follows from the members. A
    missing `messageId` is made from job, position and content, so that sending the same job again repeats the id.

    Args:
        request: a dictionary such as `{"userId": …, "event": …, "properties": {…}}`.
        position: position of the request in its list, from 0.
        key: id of the job.
        lane: number of the lane that sends the request.

    Returns:
        The prepared record; a request that cannot be sent has an `error_code`, and a message that quotes no value.
    """

    def refused(code: str, message: str) -> PreparedRow:
        return PreparedRow(lane, None, None, str(position), None, None, None, code, f"request {position} {message}")

    if not isinstance(request, Mapping):
        return refused("not_json", "is no dictionary")
    kind = type_of(request)
    if kind is None:
        return refused("no_type", "has no type: identify, track, page, screen, group or alias")
    try:
        text = _json({name: value for name, value in request.items() if name != "messageId"} | {"type": kind})
        message_id = str(request.get("messageId") or _message_id(f"{key}/{position}/{text}"))
        payload = f'{{"messageId":{_json(message_id)},{text[1:]}'
        size = len(payload.encode())
    except (TypeError, ValueError, RecursionError):
        return refused("not_json", "is no JSON: NaN, Infinity, or a type that JSON does not have")
    if size > MAX_ITEM_BYTES:
        return refused("too_large", f"has {size} bytes; the API takes {MAX_ITEM_BYTES}")
    return PreparedRow(lane, f"{payload},", size, str(position), person_of(request), message_id, None)


def type_of(request: Mapping[str, Any]) -> Any:
    """Return the `type` of a request, else the type that follows from its members; None if none follows."""
    return request.get("type") or next((kind for name, kind in _TYPE_BY_MEMBER.items() if name in request), None)


def person_of(request: Any) -> str | None:
    """Return the person of a request: its `userId`, `anonymousId`, `email` of the traits, or `groupId`; else None."""
    if not isinstance(request, Mapping):
        return None
    traits = request.get("traits")
    email = traits.get("email") if isinstance(traits, Mapping) else None
    found = request.get("userId") or request.get("anonymousId") or email or request.get("groupId")
    return None if found is None else str(found)


def _message_id(text: str) -> str:
    """Return a message id in the shape of a ULID, as a sync's: zero for the time, 80 bits of hash, Crockford's base 32.

    Args:
        text: the text that is hashed.
    """
    digest = hashlib.blake2b(text.encode(), digest_size=ID_HASH_BYTES).digest()
    return ulid(0, int.from_bytes(digest, "big"))


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False, ensure_ascii=False, separators=(",", ":"), default=_json_value)


def _json_value(value: Any) -> Any:
    """Return the JSON value for a type that JSON does not have and that rows often have.

    Raises:
        TypeError: there is no such value.
    """
    if isinstance(value, datetime):
        moment = value.astimezone(timezone.utc) if value.tzinfo else value.replace(tzinfo=timezone.utc)
        return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if isinstance(value, date | uuid.UUID):
        return str(value)
    if isinstance(value, Decimal) and value.is_finite() and Decimal(repr(float(value))) == value:
        return int(value) if value == value.to_integral_value() else float(value)
    raise TypeError
