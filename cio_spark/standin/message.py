"""Decodes messages: all messages of a batch at once with msgspec, or one that was decoded before."""

from __future__ import annotations

from types import NoneType
from typing import Any, NamedTuple

import msgspec

QUICK_ITEM_BYTES = 4_096
"""Largest message that `decode_batch` takes; it is below the API's limits, and below Python's of 4,300 digits."""

_HEAD, _TAIL = b'{"batch":[', b"]}"


class JsonObject(msgspec.Struct, gc=False):
    """Represents a JSON object of which no member matters."""


class Traits(msgspec.Struct, gc=False):
    """Represents the member `traits`, of which only the email matters."""

    email: Any = None


class Message(msgspec.Struct, gc=False, rename="camel"):
    """Holds the members of a message that the API's rules are about; a member that is absent or null is None.

    Members that should be text may be of any type, because some of them matter for some types of messages only.
    """

    type: Any = None
    user_id: Any = None
    anonymous_id: Any = None
    previous_id: Any = None
    group_id: Any = None
    event: Any = None
    message_id: Any = None
    timestamp: Any = None
    traits: Traits | None = None
    properties: JsonObject | None = None
    context: JsonObject | None = None
    integrations: JsonObject | None = None


class NoMessage(NamedTuple):
    """Represents a JSON value that is no message, because it or a member of it should be an object and is not.

    Attributes:
        reason: names the member; it never quotes a value.
        message_id: the member `messageId`, of any type.
    """

    reason: str
    message_id: Any = None


_decode_messages = msgspec.json.Decoder(list[Message]).decode
_decode_raw = msgspec.json.Decoder(list[msgspec.Raw]).decode


def decode_batch(body: bytes) -> list[Message] | None:
    """Decode all messages of a compact batch at once.

    Returns:
        The messages, each of at most `QUICK_ITEM_BYTES`. None if this cannot be told of all of them, or if there is
        anything wrong with the JSON: then the body has to be read one message after the other.
    """
    if not (body.startswith(_HEAD) and body.endswith(_TAIL)):
        return None
    # If the text between the brackets is one array, there is no second member `batch`
    array = memoryview(body)[len(_HEAD) - 1 : -1]
    try:
        if not body.isascii():
            body.decode()  # msgspec does not check the UTF-8 of members that it skips
        if len(body) > QUICK_ITEM_BYTES and max(map(len, _decode_raw(array)), default=0) > QUICK_ITEM_BYTES:
            return None
        return _decode_messages(array)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def as_message(value: object) -> Message | NoMessage:
    """Return the message that a decoded value is."""
    if not isinstance(value, dict):
        return NoMessage("message is not an object")
    message_id = value.get("messageId")
    for name in ("traits", "properties", "context", "integrations"):
        if not isinstance(value.get(name), dict | NoneType):
            return NoMessage(f"{name} is not an object", message_id)
    traits = value.get("traits")
    return Message(
        type=value.get("type"),
        user_id=value.get("userId"),
        anonymous_id=value.get("anonymousId"),
        previous_id=value.get("previousId"),
        group_id=value.get("groupId"),
        event=value.get("event"),
        message_id=message_id,
        timestamp=value.get("timestamp"),
        traits=None if traits is None else Traits(traits.get("email")),
    )
