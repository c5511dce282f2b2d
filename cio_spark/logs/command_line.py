"""Configures structlog for a command of `cio-spark`; nothing else in the package configures it."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, MutableMapping
from typing import Any, TextIO

import structlog

from cio_spark.clock import Clock
from cio_spark.logs.events import ONLY_IN_LOG, WARNING, Event
from cio_spark.logs.lines import render_line, timestamp_of
from cio_spark.logs.style import LogStyle

_EVENTS = frozenset(event.value for event in Event)
_NEVER = ("exc_info", "stack_info")
"""Fields of stack traces, which may quote values."""


def choose_style(asked: LogStyle | None, *, on_terminal: bool) -> LogStyle:
    """Decide how a command logs.

    Args:
        asked: value of `--log`; None if it was not given.
        on_terminal: whether standard output is a terminal.
    """
    if asked is not None:
        return asked
    return LogStyle.OFF if on_terminal else LogStyle.JSON


@contextlib.contextmanager
def logs_configured(style: LogStyle, stream: TextIO, clock: Clock) -> Iterator[None]:
    """Send events to a stream while the block runs, then put structlog's configuration back.

    Args:
        style: form of the lines; with `off`, of our events only warnings are written that a terminal shows in no other
            way.
        stream: stream to write to: standard error.
        clock: tells the time.
    """

    def finish(_: Any, level: str, entry: MutableMapping[str, Any]) -> str:
        event = entry.get("event")
        if style is LogStyle.OFF and event in _EVENTS and event not in ONLY_IN_LOG:
            raise structlog.DropEvent
        for name in _NEVER:
            entry.pop(name, None)
        entry.update(timestamp=timestamp_of(clock.now()), level=WARNING if level == "warn" else level)
        return render_line(LogStyle.TEXT if style is LogStyle.OFF else style, entry)

    before = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(
        processors=[finish],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        context_class=dict,
        logger_factory=structlog.WriteLoggerFactory(file=stream),
        cache_logger_on_first_use=False,
    )
    try:
        yield
    finally:
        if before is None:
            structlog.reset_defaults()
        else:
            structlog.configure(**before)
