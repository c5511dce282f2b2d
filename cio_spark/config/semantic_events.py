"""The reserved event names of Customer.io, and names so near to them that they were surely meant.

A near miss ("Delete Person", "user deleted") is accepted by the API as an ordinary event, and the deletion silently
does not happen. Source: semantic events in the Data Pipelines API's OpenAPI document.
"""

from __future__ import annotations

import difflib
import re

from cio_spark.config.calls import Call

RESERVED_EVENTS: dict[str, Call | None] = {
    **{call.spec.event: call for call in Call if call.spec.event is not None},
    "Report Delivery Event": None,
    "Report Content Event": None,
}
"""Reserved name → the call that sends it; None: cio_spark has no call for it."""

_NOUNS = {
    "User": ("user", "users", "person"),
    "Device": ("device",),
    "Object": ("object",),
    "Relationship": ("relationship",),
}
_VERBS = {
    "Deleted": ("deleted", "delete"),
    "Suppressed": ("suppressed", "suppress"),
    "Unsuppressed": ("unsuppressed", "unsuppress"),
}


def event_key(name: str) -> str:
    """The name without case, blanks and punctuation; two names with one key are taken for the same."""
    return re.sub("[^a-z]", "", name.lower())


_EXACT_KEYS = {event_key(name): name for name in RESERVED_EVENTS}
SAME_BUT_FOR_A_SLIP = 0.95


def _near_misses() -> dict[str, str]:
    keys = dict(_EXACT_KEYS)
    for reserved in RESERVED_EVENTS:
        noun, _, verb = reserved.partition(" ")
        for one in _NOUNS.get(noun, ()):
            for other in _VERBS.get(verb, ()):
                keys |= {one + other: reserved, other + one: reserved}
    device = "Device Created or Updated"
    return keys | dict.fromkeys(("deviceupdatedorcreated", "devicecreatedupdated", "createorupdatedevice"), device)


NEAR_MISSES: dict[str, str] = _near_misses()
"""`event_key` of a name → the reserved name it stands for; the same table serves names that come from a column."""


def reserved_event(name: str) -> str | None:
    """The reserved event name that `name` is, or is so near to that it was surely meant; None for ordinary events."""
    key = event_key(name)
    if key in NEAR_MISSES:
        return NEAR_MISSES[key]
    slips = difflib.get_close_matches(key, _EXACT_KEYS, n=1, cutoff=SAME_BUT_FOR_A_SLIP)
    return _EXACT_KEYS[slips[0]] if slips else None
