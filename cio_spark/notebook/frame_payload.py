"""Derives the payload section from the names of a DataFrame's columns, for callers that give no mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cio_spark.errors import ConfigurationError

# Column names that the notebook and the API use for each part; the first one that the DataFrame has is taken
_COLUMNS = {
    "user_id": ("user_id", "userId"),
    "anonymous_id": ("anonymous_id", "anonymousId"),
    "event": ("event", "event_name"),
    "timestamp": ("timestamp", "event_timestamp"),
    "properties": ("properties",),
    "traits": ("traits",),
}


def payload_of(columns: Sequence[str]) -> dict[str, Any]:
    """Return the payload section that fits columns with the usual names.

    If there is a column `event` or `event_name`, the rows are events, else people. Their properties (traits for people)
    come from the column `properties` (`traits`) if there is one, else from all columns that are used for nothing else.

    Args:
        columns: names of the DataFrame's columns.

    Returns:
        The payload section, without `record_id`.

    Raises:
        ConfigurationError: no column identifies the person.
    """
    found = {part: _first(names, columns) for part, names in _COLUMNS.items()}
    persons = {part: name for part in ("user_id", "anonymous_id") if (name := found[part]) is not None}
    if not persons:
        raise ConfigurationError.of(
            "payload", "no column is called user_id or anonymous_id; say what is sent with payload={'call': …}"
        )
    section: dict[str, Any] = {"call": "track" if found["event"] else "identify"}
    section |= {part: _sql(name) for part, name in persons.items()}
    section |= {part: _sql(name) for part in ("event", "timestamp") if (name := found[part]) is not None}
    about = "properties" if found["event"] else "traits"
    whole = found[about]
    if whole is not None:
        return {**section, f"{about}_from": _sql(whole)}
    used = [*persons.values(), *(name for part in ("event", "timestamp") if (name := found[part]) is not None)]
    rest = [column for column in columns if column not in used]
    return {**section, about: {"include": rest}} if rest else section


def _first(names: Sequence[str], columns: Sequence[str]) -> str | None:
    return next((name for name in names if name in columns), None)


def _sql(column: str) -> str:
    return f"`{column}`"
