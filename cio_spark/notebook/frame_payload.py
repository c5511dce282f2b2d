"""What a DataFrame's columns say about its payload, for callers that give no mapping."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cio_spark.errors import ConfigurationError

# Columns by the names that the notebook and the API use; the first one that is there counts
_COLUMNS = {
    "user_id": ("user_id", "userId"),
    "anonymous_id": ("anonymous_id", "anonymousId"),
    "event": ("event", "event_name"),
    "timestamp": ("timestamp", "event_timestamp"),
    "properties": ("properties",),
    "traits": ("traits",),
}


def payload_of(columns: Sequence[str]) -> dict[str, Any]:
    """The payload section that fits columns of the usual names.

    A column `event` or `event_name` makes the rows events, else they are people. What is said about them is the column
    `properties` (`traits` for people), else all columns that have no other part.

    Args:
        columns: of the DataFrame.

    Returns:
        The section, without `record_id`.

    Raises:
        ConfigurationError: no column names the person.
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
