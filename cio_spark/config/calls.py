"""Lists the calls that a sync can make, one row per call: what it sends, needs and may carry, and how it is treated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from cio_spark.config.base import TextEnum

Alternatives: TypeAlias = tuple[tuple[str, ...], ...]
"""Tuples of field names; at least one field of every inner tuple must be given."""


class OnChange(TextEnum):
    """Says what happens to a record that was accepted and whose payload changed afterwards."""

    SEND = "send"
    IGNORE = "ignore"


class Overwrites(Enum):
    """Says what a call overwrites in Customer.io, and therefore whether the order of a person's records matters."""

    NOTHING = "nothing"
    """The call is an event: a late one does no harm, and no person's records wait for each other."""
    PART_OF_PERSON = "part_of_person"
    """The call is about one of a person's many devices or objects: a late one would overwrite a newer one."""
    PERSON = "person"
    """The call is about the whole person: a newer accepted call also makes older calls of other records obsolete."""


@dataclass(frozen=True)
class CallSpec:
    """Describes everything that depends on the call.

    No attribute has a default, so that a new call must state each of them.

    Attributes:
        json_type: `type` of the message.
        event: reserved event name of a semantic event; None if the call is no semantic event.
        needs: required fields of the payload section, as alternatives; at least one field of every inner tuple must be
            given.
        may: further fields that may be given. `COMMON_FIELDS` lists the fields that every call may have.
        operation_type: operation type of the sync, unless the user names one.
        on_change: default for records that have changed.
        overwrites: what a late call would overwrite.
        is_held: True if a record that the API refused is held until its payload changes; False if every run tries it
            again.
        tolerates_errors: True if the user's error threshold applies; False if no record may fail.
        one_item_per_request: True if every record needs a request of its own, because its `context` might apply to a
            whole batch (docs/delivery.md).
        scalar_trait: field that is sent as a trait; None if there is none.
    """

    json_type: str
    event: str | None
    needs: Alternatives
    may: tuple[str, ...]
    operation_type: str
    on_change: OnChange
    overwrites: Overwrites
    is_held: bool
    tolerates_errors: bool
    one_item_per_request: bool
    scalar_trait: str | None

    @property
    def fields(self) -> tuple[str, ...]:
        """All fields that the call knows, the required ones first."""
        return tuple(name for alternatives in self.needs for name in alternatives) + self.may

    @property
    def overwrites_state(self) -> bool:
        """Tell whether an older call of a person would overwrite a newer one if it were sent late."""
        return self.overwrites is not Overwrites.NOTHING

    @property
    def overwrites_person(self) -> bool:
        """Tell whether any newer call of a person makes an older one obsolete."""
        return self.overwrites is Overwrites.PERSON


COMMON_FIELDS = ("call", "record_id", "timestamp", "nulls", "timestamps", "time_zone")

_PERSON = ("user_id", "anonymous_id")
_PROPERTIES = ("properties", "properties_from", "context")
_TRAITS = ("traits", "traits_from", "context")
_PEOPLE_UPDATE, _EVENT_PROCESSING, _SUPPRESSION_SYNC = "people_update", "event_processing", "suppression_sync"


def _event(
    json_type: str, needs: Alternatives, may: tuple[str, ...], operation_type: str = _EVENT_PROCESSING
) -> CallSpec:
    """Describe a call that is sent once and overwrites nothing."""
    return CallSpec(
        json_type=json_type,
        event=None,
        needs=needs,
        may=may,
        operation_type=operation_type,
        on_change=OnChange.IGNORE,
        overwrites=Overwrites.NOTHING,
        is_held=True,
        tolerates_errors=True,
        one_item_per_request=False,
        scalar_trait=None,
    )


def _state(
    json_type: str,
    needs: Alternatives,
    may: tuple[str, ...],
    overwrites: Overwrites,
    *,
    event: str | None = None,
    one_item_per_request: bool = False,
    scalar_trait: str | None = None,
) -> CallSpec:
    """Describe a call that is sent again when it changes."""
    return CallSpec(
        json_type=json_type,
        event=event,
        needs=needs,
        may=may,
        operation_type=_PEOPLE_UPDATE,
        on_change=OnChange.SEND,
        overwrites=overwrites,
        is_held=True,
        tolerates_errors=True,
        one_item_per_request=one_item_per_request,
        scalar_trait=scalar_trait,
    )


def _suppression_or_deletion(
    event: str,
    needs: Alternatives,
    may: tuple[str, ...],
    overwrites: Overwrites,
    *,
    operation_type: str = _PEOPLE_UPDATE,
    one_item_per_request: bool = False,
) -> CallSpec:
    """Describe a suppression or deletion: it is tried on every run until the API takes it, and none may fail."""
    return CallSpec(
        json_type="track",
        event=event,
        needs=needs,
        may=may,
        operation_type=operation_type,
        on_change=OnChange.SEND,
        overwrites=overwrites,
        is_held=False,
        tolerates_errors=False,
        one_item_per_request=one_item_per_request,
        scalar_trait=None,
    )


def _suppression(event: str) -> CallSpec:
    """Describe a suppression or deletion of a whole person."""
    return _suppression_or_deletion(event, (("user_id",),), (), Overwrites.PERSON, operation_type=_SUPPRESSION_SYNC)


class Call(TextEnum):
    """Lists the API calls and semantic events that a row can become."""

    spec: CallSpec
    """Everything that depends on the call."""

    def __new__(cls, value: str, spec: CallSpec) -> Call:
        """Make a member whose value is its name and whose attribute `spec` is its description."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.spec = spec
        return member

    IDENTIFY = (
        "identify",
        _state("identify", ((*_PERSON, "email"),), _TRAITS, Overwrites.PERSON, scalar_trait="email"),
    )
    TRACK = "track", _event("track", (_PERSON, ("event",)), _PROPERTIES)
    PAGE = "page", _event("page", (_PERSON,), ("name", *_PROPERTIES))
    SCREEN = "screen", _event("screen", (_PERSON,), ("name", *_PROPERTIES))
    GROUP = (
        "group",
        _state(
            "group",
            (_PERSON, ("group_id",)),
            ("object_type_id", *_TRAITS),
            Overwrites.PART_OF_PERSON,
            scalar_trait="object_type_id",
        ),
    )
    ALIAS = "alias", _event("alias", (("user_id",), ("previous_id",)), ("context",), _PEOPLE_UPDATE)
    SUPPRESS = "suppress", _suppression("User Suppressed")
    UNSUPPRESS = "unsuppress", _suppression("User Unsuppressed")
    DELETE_PERSON = "delete_person", _suppression("User Deleted")
    DEVICE = (
        "device",
        _state(
            "track",
            (("user_id",), ("device_token",)),
            ("device_type",),
            Overwrites.PART_OF_PERSON,
            event="Device Created or Updated",
            one_item_per_request=True,
        ),
    )
    DEVICE_DELETE = (
        "device_delete",
        _suppression_or_deletion(
            "Device Deleted",
            (("user_id",), ("device_token",)),
            ("device_type",),
            Overwrites.PART_OF_PERSON,
            one_item_per_request=True,
        ),
    )
    OBJECT_DELETE = (
        "object_delete",
        _suppression_or_deletion(
            "Object Deleted", (("object_id",),), ("object_type_id", *_PERSON), Overwrites.PART_OF_PERSON
        ),
    )
    RELATIONSHIP_DELETE = (
        "relationship_delete",
        _suppression_or_deletion(
            "Relationship Deleted",
            (("user_id",), ("object_id",)),
            ("object_type_id",),
            Overwrites.PART_OF_PERSON,
        ),
    )
