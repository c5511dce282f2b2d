"""Simulates an API with a capacity, whose answers take time by a formula; time passes on a fake clock."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import pyarrow as pa
from delivery_world import ScriptedClient, row, settings_for

from cio_spark.clock import FakeClock
from cio_spark.config import BatchStrategy
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.process_state import ProcessState
from cio_spark.delivery.records import record_batch

TIMEOUT_SECONDS = 10
MAX_RECORDS = 1000


class Phase(NamedTuple):
    """Describes a time in which the API behaves in one way.

    Attributes:
        seconds: length of the phase in seconds.
        capacity: most records that a request may carry; larger requests are answered by `beyond`.
        beyond: status 429 or 503, or 408 for no answer within the time-out.
    """

    seconds: float
    capacity: int = MAX_RECORDS
    beyond: int = 429


@dataclass
class Course:
    """Sends records for as long as the phases last, and notes what happened.

    Attributes:
        phases: the phases, one after the other.
        fixed_seconds, seconds_per_record: seconds that an accepted request takes, and that each of its records adds.
        noise_every_seconds: seconds between answers 503 that do not depend on the size; None if there are none.
        max_records: most records that a request may carry.
        accepted: number of accepted records of each phase.
        failed: number of records that the run gave up.
        limits: time in seconds, and limit in records in force, of each batch.
        times: seconds that each accepted request took.
    """

    phases: list[Phase]
    fixed_seconds: float = 0.5
    seconds_per_record: float = 0.002
    noise_every_seconds: float | None = None
    max_records: int = MAX_RECORDS
    clock: FakeClock = field(default_factory=FakeClock)
    accepted: list[int] = field(default_factory=list)
    failed: int = 0
    limits: list[tuple[float, int]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def run(self, strategy: BatchStrategy, *, target_request_seconds: float = 1.0) -> Course:
        """Deliver with a strategy, and return this course."""
        self.accepted = [0] * len(self.phases)
        settings = settings_for(
            max_records=self.max_records,
            strategy=strategy,
            target_request_seconds=target_request_seconds,
            timeout_seconds=TIMEOUT_SECONDS,
            circuit_failures=0,
        )
        process = ProcessState(settings, self.clock, lambda: _Client(self))
        for group in deliver_partition(0, self._chunks(), settings, clock=self.clock, process=process):
            if group.batch is not None:
                self.limits.append((self.clock.monotonic(), group.batch.limit_records))
            self.failed += group.records.num_rows if group.status != "accepted" else 0
        return self

    def ends(self) -> list[float]:
        """Return the second at which each phase ends."""
        return list(itertools.accumulate(phase.seconds for phase in self.phases))

    def phase(self) -> int:
        """Return the number of the current phase; the last phase goes on for ever."""
        return min(sum(self.clock.seconds >= end for end in self.ends()), len(self.phases) - 1)

    def best(self, number: int) -> float:
        """Return the records per second that the best fixed size reaches in a phase.

        The more records a request carries, the better.
        """
        size = min(self.max_records, self.phases[number].capacity)
        return size / (self.fixed_seconds + self.seconds_per_record * size)

    def throughput(self, number: int) -> float:
        """Return the records per second that were accepted in a phase."""
        return self.accepted[number] / self.phases[number].seconds

    def settled_limits(self, number: int) -> list[int]:
        """Return the limits (in records) in force in the second half of a phase."""
        end = self.ends()[number]
        return [limit for at, limit in self.limits if end - self.phases[number].seconds / 2 <= at < end]

    def _chunks(self) -> Iterator[pa.RecordBatch]:
        chunk = record_batch([row(number) for number in range(MAX_RECORDS)])
        while self.clock.seconds < self.ends()[-1]:
            yield chunk


class _Client(ScriptedClient):
    def __init__(self, course: Course) -> None:
        super().__init__()
        self._course = course
        self._next_noise = course.noise_every_seconds or 0.0

    def post_batch(self, body: bytes, deadline_seconds: float, **_: object) -> Answer:
        course, records = self._course, body.count(b'"messageId"')
        number = course.phase()
        if course.noise_every_seconds is not None and course.clock.seconds >= self._next_noise:
            self._next_noise = course.clock.seconds + course.noise_every_seconds
            return Answer(503, "a bad moment", elapsed_seconds=0.05)
        phase = course.phases[number]
        if records > phase.capacity and phase.beyond == 408:
            course.clock.sleep(deadline_seconds)
            return Answer(None, "no answer in time", failure=Failure.TIMEOUT, elapsed_seconds=deadline_seconds)
        if records > phase.capacity:
            course.clock.sleep(0.05)
            return Answer(phase.beyond, "too much", elapsed_seconds=0.05)
        seconds = course.fixed_seconds + course.seconds_per_record * records
        course.clock.sleep(seconds)
        course.accepted[number] += records
        course.times.append(seconds)
        return Answer(200, elapsed_seconds=seconds)
