"""Writes events of jobs in memory in such a way that a log which cannot be written costs no job its result."""

from __future__ import annotations

from contextlib import suppress
from typing import Any


def write_event(logger: Any, level: str, event: str, **fields: Any) -> None:
    """Write an event; an error of the logger is ignored.

    Args:
        logger: a structlog logger.
        level: info, warning or error.
        event: name of the event.
        fields: its fields.
    """
    with suppress(Exception):
        getattr(logger, level)(event, **fields)
