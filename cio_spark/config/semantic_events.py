"""Finds names of reserved events of Customer.io, and names that are so similar that a reserved one was surely meant.

The API accepts a near miss ("Delete Person", "user deleted") as an ordinary event, and the deletion silently does not
happen. Source: semantic events in the OpenAPI document of the Data Pipelines API.
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
"""Call that sends each reserved event, by event name; None if cio_spark has no call for it."""

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
    """Return the letters a to z of a name, in lower case; names with the same key count as the same name."""
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
    device = str(Call.DEVICE.spec.event)
    return keys | dict.fromkeys(("deviceupdatedorcreated", "devicecreatedupdated", "createorupdatedevice"), device)


NEAR_MISSES: dict[str, str] = _near_misses()
"""Reserved name that is meant, by the `event_key` of a name; validation uses it for names from a column too."""


def reserved_event(name: str) -> str | None:
    """Return the reserved event name that `name` is or surely means; None for ordinary events."""
    key = event_key(name)
    if key in NEAR_MISSES:
        return NEAR_MISSES[key]
    slips = difflib.get_close_matches(key, _EXACT_KEYS, n=1, cutoff=SAME_BUT_FOR_A_SLIP)
    return _EXACT_KEYS[slips[0]] if slips else None
