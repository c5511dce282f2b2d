"""Writes log lines of a worker process to its standard error: failures by code, and changes of the circuit breaker.

A line has no payload, no id of a record or person and no words of the API: only kinds of failure, counts and places.
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
from cio_spark.logs.events import INFO, LEVELS, Event, with_all_fields
from cio_spark.logs.lines import render_line, timestamp_of
from cio_spark.logs.style import LogStyle

SECONDS_BETWEEN_LINES: Final = 5.0
"""Least seconds between two lines of a process about failures of one code."""

_CIRCUIT_EVENTS: Final = {
    CircuitChange.OPENED: Event.CIRCUIT_OPENED,
    CircuitChange.CLOSED: Event.CIRCUIT_CLOSED,
    CircuitChange.GAVE_UP: Event.CIRCUIT_GAVE_UP,
}


class Place(NamedTuple):
    """Identifies the lane that a line is about.

    Attributes:
        wave, partition, lane: their numbers.
    """

    wave: int
    partition: int
    lane: int


@dataclass
class _Failures:
    """Counts the failures of one code since the last line about them.

    Attributes:
        count: number of failures.
        told_at: time of the last line, in seconds of the monotonic clock; None if there was no line yet.
    """

    count: int = 0
    told_at: float | None = None


@dataclass
class ProcessLog:
    """Writes the lines of one worker process, for one run; its lanes share it, so that limits hold for the process.

    Attributes:
        style: form of the lines.
        run_id, sync: fields of every line.
        clock: tells the time.
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
        """Log the result of a request, if it failed or changed the circuit breaker.

        Args:
            place: the lane that wanted to send the request.
            verdict: verdict on its answer; None if the request was not made.
            change: change of the circuit breaker that it caused; None if there is none.
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
            **with_all_fields(event, {**place._asdict(), "worker": f"{socket.gethostname()}-{os.getpid()}", **fields}),
        }
        # A line is one write, so that lines of processes that share the stream do not mix
        with contextlib.suppress(OSError, ValueError):
            sys.stderr.write(f"{render_line(self.style, entry)}\n")
            sys.stderr.flush()


@dataclass(frozen=True)
class LaneLog:
    """Passes the results of one lane's requests to the log of its process.

    Attributes:
        process: log of the process.
        place: numbers of the lane and of its partition and wave.
    """

    process: ProcessLog
    place: Place

    def record(self, verdict: Verdict | None, change: CircuitChange | None, seconds: float) -> None:
        """Log the result of a request; see `ProcessLog.record`."""
        self.process.record(self.place, verdict, change, seconds)
