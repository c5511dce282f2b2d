"""Log lines of a worker process, on its standard error: failures counted by code, and what the circuit breaker does.

No payload, no id of a record or person, no word of the API: kinds of failure, counts and places.
"""

from __future__ import annotations

import contextlib
import os
import socket
import sys
import threading
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from cio_spark.clock import Clock
from cio_spark.delivery.circuit import CircuitChange
from cio_spark.delivery.classification import Verdict
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.logs.events import INFO, LEVELS, Event, complete
from cio_spark.logs.lines import render_line, timestamp_of
from cio_spark.logs.style import LogStyle

SECONDS_BETWEEN_LINES: Final = 5.0
"""Least time between two lines of a process about failures of one code."""

_CIRCUIT_EVENTS: Final = {
    CircuitChange.OPENED: Event.CIRCUIT_OPENED,
    CircuitChange.CLOSED: Event.CIRCUIT_CLOSED,
    CircuitChange.GAVE_UP: Event.CIRCUIT_GAVE_UP,
}


class Place(NamedTuple):
    """Says which lane writes a line.

    Attributes:
        wave, partition, lane: numbers.
    """

    wave: int
    partition: int
    lane: int


@dataclass
class _Failures:
    """Counts failures of one code since the last line about them.

    Attributes:
        count: failures.
        told_at: when the last line was written, in seconds; None: there was none.
    """

    count: int = 0
    told_at: float | None = None


@dataclass
class ProcessLog:
    """Writes the lines of one worker process, for one run; its lanes share it, so that limits hold for the process.

    Attributes:
        style: how lines are written.
        run_id, sync: the bindings of every line.
        clock: time.
    """

    style: LogStyle
    run_id: str
    sync: str
    clock: Clock
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _failures: dict[str, _Failures] = field(default_factory=dict)

    @classmethod
    def of(cls, settings: DeliverySettings, clock: Clock) -> ProcessLog:
        """Make the log that a delivery's settings ask for."""
        return cls(settings.log_style, settings.run_id, settings.sync, clock)

    def record(self, place: Place, verdict: Verdict | None, change: CircuitChange | None, seconds: float) -> None:
        """Note what came of a request.

        Args:
            place: whose request it was.
            verdict: on its answer; None: it was not made.
            change: what the circuit breaker made of it; None: nothing.
            seconds: how long the circuit stays open, if it has opened.
        """
        if self.style is LogStyle.OFF:
            return
        if verdict is not None and not verdict.accepted:
            self._count(place, verdict)
        if change is not None:
            self._write(_CIRCUIT_EVENTS[change], place, seconds=round(seconds, 3))

    def _count(self, place: Place, verdict: Verdict) -> None:
        code = verdict.code or ""
        with self._lock:
            failures = self._failures.setdefault(code, _Failures())
            failures.count += 1
            now = self.clock.monotonic()
            if failures.told_at is not None and now - failures.told_at < SECONDS_BETWEEN_LINES:
                return
            count, failures.count, failures.told_at = failures.count, 0, now
        self._write(
            Event.REQUEST_FAILURES,
            place,
            category=verdict.category.value if verdict.category is not None else None,
            code=code,
            http_status=verdict.answer.status,
            count=count,
        )

    def _write(self, event: Event, place: Place, **fields: object) -> None:
        entry = {
            "timestamp": timestamp_of(self.clock.now()),
            "level": LEVELS.get(event, INFO),
            "event": event.value,
            "run_id": self.run_id,
            "sync": self.sync,
            **complete(event, {**place._asdict(), "worker": f"{socket.gethostname()}-{os.getpid()}", **fields}),
        }
        # In one write, so that lines of processes that share the stream do not mix
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{render_line(self.style, entry)}\n")
            sys.stderr.flush()


@dataclass(frozen=True)
class LaneLog:
    """Gives what one lane has to say to the log of its process.

    Attributes:
        process: the process's log.
        place: the lane's.
    """

    process: ProcessLog
    place: Place

    def record(self, verdict: Verdict | None, change: CircuitChange | None, seconds: float) -> None:
        """Note what came of a request; see `ProcessLog.record`."""
        self.process.record(self.place, verdict, change, seconds)
