"""Defines what the API accepts: its calls, its limits, and the rules for one message.

Source: `components/schemas` and "Rate and payload limits" of Customer.io's Data Pipelines OpenAPI (August 2026).
Each question that this document leaves open is an option of `Contract`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, TypeAlias

from cio_spark.standin.message import Message, NoMessage, Traits

ErrorShape = Literal["errors", "error"]

CALLS = ("identify", "track", "page", "screen", "group", "alias")
"""The types of messages; each is also the path of a call, as `batch` is."""

ITEM_LIMIT_BYTES = 32_768
"""The limit of 32 KB for each call, read as 32,768 bytes: the lenient reading, as in the official clients."""

SAFE_ITEM_BYTES = 32_000
"""The limit of 32 KB for each call, read as 32,000 bytes: larger items are accepted, but counted as over the limit."""

BODY_LIMIT_BYTES = 500_000
"""The limit of 500 KB for each body, uncompressed, envelope included."""

ID_LIMIT_BYTES = 150
EVENT_NAME_LIMIT_BYTES = 100

EVENTS_WITHOUT_IDENTITY = frozenset({"Report Delivery Event", "Report Content Event"})
"""Semantic events whose schema in the OpenAPI requires no identity."""

_CALLS = frozenset(CALLS)
_ISO_8601 = re.compile(
    r"\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])"
    r"(?:[Tt ](?:[01]\d|2[0-3]):[0-5]\d(?::(?:[0-5]\d|60)(?:[.,]\d+)?)?(?:[Zz]|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


@dataclass(frozen=True)
class Contract:
    """Sets how the stand-in behaves where Customer.io does not document the behaviour.

    Args:
        strict_covers_size: whether strict mode answers `oversize_status` to a message or body that is too large; else
            it is dropped silently.
        oversize_status: HTTP status of that answer.
        keep_good_items_on_400: whether the valid items of a batch that is answered 400 count as received.
        accept_gzip: whether compressed bodies are read; if not, strict mode answers `gzip_refused_status`.
        gzip_refused_status: HTTP status of that answer.
        error_shape: shape of an error body: `{"meta":{"errors":["text"]}}` or `{"meta":{"error":"text"}}`.
        alias_in_batch: whether `/batch` takes `alias` items: the official clients send them, but the OpenAPI omits
            them.
    """

    strict_covers_size: bool = True
    oversize_status: int = 400
    keep_good_items_on_400: bool = False
    accept_gzip: bool = True
    gzip_refused_status: int = 415
    error_shape: ErrorShape = "errors"
    alias_in_batch: bool = True


MessageFields: TypeAlias = tuple[str, str | None, str | None, str | None, str | None]
"""The fields of a valid message that are stored beside its payload: type, person, message id, event, timestamp.

It is a bare tuple because a large batch makes thousands of them."""


class RefusedMessageError(ValueError):
    """Reports that a message breaks a rule; the text names the field and the rule, never the value."""


def read_message(message: Message | NoMessage, call: str, allow_alias: bool = True) -> MessageFields:
    """Check one message against the API's rules.

    Args:
        message: the decoded message.
        call: the path of the request, without its slash: one of `CALLS`, or `batch`.
        allow_alias: whether a batch may carry aliases.

    Returns:
        The fields of the message. The person is `userId`, else `anonymousId`, else `traits.email` (only of an
        `identify`), else `groupId`.

    Raises:
        RefusedMessageError: the message breaks a rule.
    """
    if isinstance(message, NoMessage):
        raise RefusedMessageError(message.reason)
    kind = message.type or (call if call != "batch" else None)
    if not isinstance(kind, str) or kind not in _CALLS:
        raise RefusedMessageError("type is missing or unknown")
    if call not in (kind, "batch") or (kind == "alias" and call == "batch" and not allow_alias):
        raise RefusedMessageError(f"type does not fit the call {call}")
    user_id = _text(message.user_id, "userId")
    anonymous_id = _text(message.anonymous_id, "anonymousId") if message.anonymous_id is not None else None
    person = user_id or anonymous_id
    group_id = _text(message.group_id, "groupId") if message.group_id is not None else None
    event = None
    if kind == "track":
        event = _text(message.event, "event", EVENT_NAME_LIMIT_BYTES)
        if not event:
            raise RefusedMessageError("event is required")
        if not (person or group_id or event in EVENTS_WITHOUT_IDENTITY):
            raise RefusedMessageError("userId, anonymousId or groupId is required")
    elif kind == "identify":
        person = person or _email(message.traits)
        if not person:
            raise RefusedMessageError("userId, anonymousId or traits.email is required")
    elif kind == "group":
        if not group_id:
            raise RefusedMessageError("groupId is required")
    elif kind == "alias":
        if not (user_id and _text(message.previous_id, "previousId")):
            raise RefusedMessageError("userId and previousId are required")
    elif not person:
        raise RefusedMessageError("userId or anonymousId is required")
    timestamp = message.timestamp
    if timestamp is not None and not (isinstance(timestamp, str) and _ISO_8601.fullmatch(timestamp)):
        raise RefusedMessageError("timestamp is not ISO 8601")
    return kind, person or group_id, _text(message.message_id, "messageId"), event, timestamp


def _text(value: object, name: str, limit_bytes: int = ID_LIMIT_BYTES) -> str | None:
    """Return a string member of limited size; None if it is absent, null or empty.

    An empty string is allowed: "you can pass an empty userId" (OpenAPI).

    Raises:
        RefusedMessageError: the member is not a string, not Unicode text, or longer than the limit.
    """
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise RefusedMessageError(f"{name} is not a string")
    if len(value) * 4 > limit_bytes or not value.isascii():
        try:
            size_bytes = len(value.encode())
        except UnicodeEncodeError:
            raise RefusedMessageError(f"{name} is not Unicode text") from None
        if size_bytes > limit_bytes:
            raise RefusedMessageError(f"{name} is longer than {limit_bytes} bytes")
    return value


def _email(traits: Traits | None) -> str | None:
    """Return the email that identifies a person without an id; the OpenAPI gives emails no limit of their own."""
    return _text(traits.email, "email", ITEM_LIMIT_BYTES) if traits is not None else None
