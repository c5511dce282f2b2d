"""Checks which fields a payload section must have and must not have; this depends on its call."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from cio_spark.config.api_limits import DEVICE_TYPES
from cio_spark.config.calls import COMMON_FIELDS, Call
from cio_spark.config.problems import nearest
from cio_spark.config.section_rules import MISSING, given
from cio_spark.config.semantic_events import RESERVED_EVENTS, reserved_event
from cio_spark.errors import Problem

PAYLOAD_FIELDS = (
    *COMMON_FIELDS,
    *dict.fromkeys(name for call in Call for name in call.spec.fields),
)
_SQL_STRING = re.compile(r"""\s*(?:'([^'\\]*)'|"([^"\\]*)")\s*""")
_INSTEAD = {"traits": "properties", "traits_from": "properties_from"}
_INSTEAD |= {instead: name for name, instead in _INSTEAD.items()}


def payload_problems(section: Mapping[str, Any]) -> list[Problem]:
    """Find the problems of a payload section that concern several of its fields, or a field and the call.

    Args:
        section: the section as written, with YAML names; fields may be missing or malformed.

    Returns:
        Problems with paths relative to the section; an empty list if the call itself is unknown.
    """
    call = {one.value: one for one in Call}.get(str(section.get("call")))
    if call is None:
        return []
    return [
        *_missing(section, call),
        *_misplaced(section, call),
        *_given_twice(section),
        *_reserved_event_name(section, call),
        *_device_type(section),
    ]


def _missing(section: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    for alternatives in call.spec.needs:
        if not any(given(section, name) for name in alternatives):
            if len(alternatives) == 1:
                yield Problem(alternatives[0], f"{MISSING}: {call} needs it")
            else:
                yield Problem(alternatives[0], f"{MISSING}: {call} needs {_one_of(alternatives)}")


def _misplaced(section: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    for name in PAYLOAD_FIELDS:
        if given(section, name) and name not in COMMON_FIELDS and name not in call.spec.fields:
            yield Problem(name, f"does not go with {call}; {_hint(name, call)}")


def _hint(name: str, call: Call) -> str:
    instead = _INSTEAD.get(name)
    if instead in call.spec.fields:
        return f"{call} has {instead}"
    if name == "event" and call.spec.event is not None:
        return "its event name is reserved and set for you"
    return f"it takes {', '.join(call.spec.fields)}"


def _given_twice(section: Mapping[str, Any]) -> Iterator[Problem]:
    for name in ("properties", "traits"):
        if given(section, name) and given(section, f"{name}_from"):
            yield Problem(f"{name}_from", f"cannot be used together with {name}; keep one of them")


def _reserved_event_name(section: Mapping[str, Any], call: Call) -> Iterator[Problem]:
    name = literal_text(section.get("event"))
    reserved = reserved_event(name) if call is Call.TRACK and name is not None else None
    if name is None or reserved is None:
        return
    meant = (
        f"'{name}' is reserved by Customer.io" if name == reserved else f"'{name}' is all but the reserved '{reserved}'"
    )
    instead = RESERVED_EVENTS[reserved]
    advice = f"write call: {instead}" if instead else "cio_spark has no call for it; choose another event name"
    yield Problem("event", f"{meant}; {advice}")


def _device_type(section: Mapping[str, Any]) -> Iterator[Problem]:
    """Yield a problem if a constant device type is not a known platform; validation checks the values of rows."""
    scalar = section.get("device_type")
    value = scalar.get("value") if isinstance(scalar, Mapping) else literal_text(scalar)
    if value is not None and value not in DEVICE_TYPES:
        yield Problem("device_type", f"must be {_one_of(DEVICE_TYPES)}, found {value!r}{nearest(value, DEVICE_TYPES)}")


def literal_text(scalar: Any) -> str | None:
    """Return the constant text of a scalar (`{value: x}` or the SQL string `'x'`); None if it depends on the row."""
    if isinstance(scalar, Mapping):
        value = scalar.get("value")
        return value if isinstance(value, str) else None
    match = _SQL_STRING.fullmatch(scalar) if isinstance(scalar, str) else None
    return (match[1] if match[1] is not None else match[2]) if match else None


def _one_of(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}"
