"""Writes the driver's events through structlog, with the configuration of the user or of the command line."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from cio_spark.logs.events import INFO, LEVELS, Event, with_all_fields
from cio_spark.logs.lines import render_fields

LOGGER: Final = "cio_spark"
"""Name of the standard library's logger that gets the events if nobody has configured structlog."""


class EventLog:
    """Writes the events of one sync; each event has `run_id` and `sync`.

    A program that uses the package as a library decides what becomes of the events. If it has configured structlog,
    they follow that configuration; else they go to the standard library's logger `cio_spark`, whose level and handlers
    are not changed here.

    Args:
        sync: the sync's name; None if the events are about no single sync.
        run_id: id of the run; None if there is no run, or not yet.
    """

    def __init__(self, sync: str | None, run_id: str | None = None) -> None:
        self._bindings = {"run_id": run_id, "sync": sync}

    def write(self, event: Event, *, level: str | None = None, **fields: Any) -> None:
        """Write an event.

        Args:
            event: the event.
            level: info, warning or error; None for the event's own level.
            fields: fields of `FIELDS[event]`; fields that are not given are null.
        """
        # A full disk, or a reader that has gone, must not end a run
        with contextlib.suppress(OSError, ValueError):
            method = getattr(_logger(), level or LEVELS.get(event, INFO))
            method(event.value, **self._bindings, **with_all_fields(event, fields))


def _logger() -> Any:
    """Find the logger, again for each event: a user may configure logs while the package is in use."""
    if structlog.is_configured():
        return structlog.get_logger(LOGGER)
    return structlog.wrap_logger(
        logging.getLogger(LOGGER),
        processors=[structlog.stdlib.filter_by_level, _for_standard_library],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _for_standard_library(_: Any, __: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
    """Put the event and its fields into the text, for handlers that show only the text, and into the log record."""
    event = entry.pop("event")
    return {"msg": f"{event} {render_fields(entry)}", "extra": {"event": event, **entry}}
