"""Writes the driver's events through structlog, under the user's configuration or the command line's."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import MutableMapping
from typing import Any, Final

import structlog

from cio_spark.logs.events import INFO, LEVELS, Event, complete
from cio_spark.logs.lines import render_fields

LOGGER: Final = "cio_spark"
"""Name of the logger of the standard library that gets the events where nobody has configured structlog."""


class EventLog:
    """Writes events of one sync; `run_id` and `sync` are on each.

    Who uses the package as a library decides what becomes of them: with structlog configured they go its way, else to
    the standard library's logger `cio_spark`, whose level and handlers are not touched here.

    Args:
        sync: the sync's name; None: the event is about no single one.
        run_id: the run; None: there is none, or none yet.
    """

    def __init__(self, sync: str | None, run_id: str | None = None) -> None:
        self._bindings = {"run_id": run_id, "sync": sync}

    def write(self, event: Event, *, level: str | None = None, **fields: Any) -> None:
        """Write an event.

        Args:
            event: which.
            level: info, warning or error; None: the event's own.
            fields: those of `FIELDS[event]`; what is not given is null.
        """
        # A full disk, or a reader that has gone, must not end a run
        with contextlib.suppress(OSError, ValueError):
            method = getattr(_logger(), level or LEVELS.get(event, INFO))
            method(event.value, **self._bindings, **complete(event, fields))


def _logger() -> Any:
    """Find the logger anew each time: a user may configure logs while the package is in use."""
    if structlog.is_configured():
        return structlog.get_logger(LOGGER)
    return structlog.wrap_logger(
        logging.getLogger(LOGGER),
        processors=[structlog.stdlib.filter_by_level, _for_standard_library],
        wrapper_class=structlog.stdlib.BoundLogger,
    )


def _for_standard_library(_: Any, __: str, entry: MutableMapping[str, Any]) -> dict[str, Any]:
    """Put the event and its fields into the text, for handlers that show no more, and the fields into the record."""
    event = entry.pop("event")
    return {"msg": f"{event} {render_fields(entry)}", "extra": {"event": event, **entry}}
