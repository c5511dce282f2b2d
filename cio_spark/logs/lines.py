"""Renders an event as a log line, in the same way on the driver and in worker processes, without other libraries."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime, timezone
from typing import Any

from cio_spark.logs.style import LogStyle

_FIRST = ("timestamp", "level", "event", "run_id", "sync")


def timestamp_of(now: datetime) -> str:
    """Write a time in UTC as ISO 8601, with milliseconds and `Z`."""
    return now.astimezone(timezone.utc).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def render_line(style: LogStyle, entry: Mapping[str, Any]) -> str:
    """Render an event as one line, without the line's end.

    Args:
        style: `json` or `text`.
        entry: `timestamp`, `level`, `event`, `run_id`, `sync` and the event's fields.
    """
    ordered = {name: entry[name] for name in _FIRST if name in entry}
    ordered.update((name, value) for name, value in entry.items() if name not in ordered)
    if style is LogStyle.JSON:
        return json.dumps(ordered, default=str)
    head = " ".join(str(ordered.pop(name)) for name in _FIRST[:3] if name in ordered)
    return f"{head} {render_fields(ordered)}"


def render_fields(fields: Mapping[str, Any]) -> str:
    """Render fields as `name=value`; fields without a value are left out."""
    return " ".join(f"{name}={_text_of(value)}" for name, value in fields.items() if value is not None)


def _text_of(value: Any) -> str:
    """Render a value as it is if it is one plain word, else as JSON."""
    if isinstance(value, str) and value.isprintable() and value and not set(value) & set(' "='):
        return value
    return json.dumps(value, default=str)
