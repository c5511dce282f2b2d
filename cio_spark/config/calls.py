"""The calls a sync can make, and what each one needs, may carry, and defaults to."""

from __future__ import annotations

from dataclasses import dataclass

from cio_spark.config.base import TextEnum


class Call(TextEnum):
    """The API call, or semantic event, that a row becomes."""

    IDENTIFY = "identify"
    TRACK = "track"
    PAGE = "page"
    SCREEN = "screen"
    GROUP = "group"
    ALIAS = "alias"
    SUPPRESS = "suppress"
    UNSUPPRESS = "unsuppress"
    DELETE_PERSON = "delete_person"
    DEVICE = "device"
    DEVICE_DELETE = "device_delete"
    OBJECT_DELETE = "object_delete"
    RELATIONSHIP_DELETE = "relationship_delete"


class OnChange(TextEnum):
    """What happens to a record that was accepted and whose payload then changed."""

    SEND = "send"
    IGNORE = "ignore"


@dataclass(frozen=True)
class CallRule:
    """What one call needs and may carry, as field names of the payload section.

    Attributes:
        needs: alternatives; of every inner tuple at least one field must be given.
        may: further fields that may be given. Fields that every call may have are in `COMMON_FIELDS`.
        operation_type: the sync's operation type unless the user names one.
        on_change: the default for changed records.
    """

    needs: tuple[tuple[str, ...], ...]
    may: tuple[str, ...]
    operation_type: str
    on_change: OnChange

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields the call knows, needed ones first."""
        return tuple(name for alternatives in self.needs for name in alternatives) + self.may


COMMON_FIELDS = ("call", "record_id", "timestamp", "nulls", "timestamps", "time_zone")

_PERSON = ("user_id", "anonymous_id")
_PROPERTIES = ("properties", "properties_from", "context")
_TRAITS = ("traits", "traits_from", "context")
_PEOPLE, _EVENTS, _SUPPRESSION = "people_update", "event_processing", "suppression_sync"

_NAMED_VIEW = CallRule((_PERSON,), ("name", *_PROPERTIES), _EVENTS, OnChange.IGNORE)
_PERSON_ONLY = CallRule((("user_id",),), (), _SUPPRESSION, OnChange.SEND)
_DEVICE = CallRule((("user_id",), ("device_token",)), ("device_type",), _PEOPLE, OnChange.SEND)

CALL_RULES: dict[Call, CallRule] = {
    Call.IDENTIFY: CallRule(((*_PERSON, "email"),), _TRAITS, _PEOPLE, OnChange.SEND),
    Call.TRACK: CallRule((_PERSON, ("event",)), _PROPERTIES, _EVENTS, OnChange.IGNORE),
    Call.PAGE: _NAMED_VIEW,
    Call.SCREEN: _NAMED_VIEW,
    Call.GROUP: CallRule((_PERSON, ("group_id",)), ("object_type_id", *_TRAITS), _PEOPLE, OnChange.SEND),
    Call.ALIAS: CallRule((("user_id",), ("previous_id",)), ("context",), _PEOPLE, OnChange.IGNORE),
    Call.SUPPRESS: _PERSON_ONLY,
    Call.UNSUPPRESS: _PERSON_ONLY,
    Call.DELETE_PERSON: _PERSON_ONLY,
    Call.DEVICE: _DEVICE,
    Call.DEVICE_DELETE: _DEVICE,
    Call.OBJECT_DELETE: CallRule((("object_id",),), ("object_type_id", *_PERSON), _PEOPLE, OnChange.SEND),
    Call.RELATIONSHIP_DELETE: CallRule((("user_id",), ("object_id",)), ("object_type_id",), _PEOPLE, OnChange.SEND),
}

SUPPRESSIONS_AND_DELETIONS = frozenset(
    {Call.SUPPRESS, Call.UNSUPPRESS, Call.DELETE_PERSON, Call.DEVICE_DELETE, Call.OBJECT_DELETE}
    | {Call.RELATIONSHIP_DELETE}
)
"""Calls that are tried on every run until the API takes them, and none of which may fail (design §2, §3)."""
