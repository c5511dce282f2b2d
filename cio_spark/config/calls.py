"""Lists the calls a sync can make, one row a call: what each one sends, needs and may carry, and how it is treated."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from cio_spark.config.base import TextEnum

Alternatives: TypeAlias = tuple[tuple[str, ...], ...]
"""Field names: of every inner tuple at least one must be given."""


class OnChange(TextEnum):
    """What happens to a record that was accepted and whose payload then changed."""

    SEND = "send"
    IGNORE = "ignore"


class Overwrites(Enum):
    """What a call overwrites, and so whose order matters."""

    NOTHING = "nothing"
    """It is an event: a late one does no harm, and no person's records wait for each other."""
    PART_OF_PERSON = "part_of_person"
    """One of a person's many devices or objects: a late call would overwrite a newer one of the same person."""
    PERSON = "person"
    """The whole person: a newer accepted call also makes older ones of other records obsolete."""


@dataclass(frozen=True)
class CallSpec:
    """Everything that depends on a call. Nothing has a default: a new call has to say it all.

    Attributes:
        json_type: `type` of the message.
        event: reserved event name of a semantic event; None: the call is none.
        needs: fields of the payload section, as alternatives; of every inner tuple at least one must be given.
        may: further fields that may be given. Fields that every call may have are in `COMMON_FIELDS`.
        operation_type: the sync's operation type unless the user names one.
        on_change: the default for changed records.
        overwrites: what a late call would overwrite.
        is_held: whether a record that the API refused waits until its payload changes; else it is tried on every run.
        tolerates_errors: whether the user's error threshold counts; else no record may fail.
        one_item_per_request: its `context` would hold for a whole batch, so every record has a request of its own.
        scalar_trait: the field that is sent as a trait; None: there is none.
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
        """All fields the call knows, needed ones first."""
        return tuple(name for alternatives in self.needs for name in alternatives) + self.may

    @property
    def overwrites_state(self) -> bool:
        """Whether an older call of a person, sent late, would overwrite a newer one."""
        return self.overwrites is not Overwrites.NOTHING

    @property
    def overwrites_person(self) -> bool:
        """Whether any newer call of a person makes an older one obsolete."""
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


def _must_arrive(
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
    return _must_arrive(event, (("user_id",),), (), Overwrites.PERSON, operation_type=_SUPPRESSION_SYNC)


class Call(TextEnum):
    """The API call, or semantic event, that a row becomes."""

    spec: CallSpec
    """Everything that depends on it."""

    def __new__(cls, value: str, spec: CallSpec) -> Call:
        """Keep the name as the value, and the rest beside it."""
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
        _must_arrive(
            "Device Deleted",
            (("user_id",), ("device_token",)),
            ("device_type",),
            Overwrites.PART_OF_PERSON,
            one_item_per_request=True,
        ),
    )
    OBJECT_DELETE = (
        "object_delete",
        _must_arrive("Object Deleted", (("object_id",),), ("object_type_id", *_PERSON), Overwrites.PART_OF_PERSON),
    )
    RELATIONSHIP_DELETE = (
        "relationship_delete",
        _must_arrive(
            "Relationship Deleted",
            (("user_id",), ("object_id",)),
            ("object_type_id",),
            Overwrites.PART_OF_PERSON,
        ),
    )
