"""Computes how far a delivery is, and how fast, from what Spark reports about its tasks."""

from __future__ import annotations

from collections import deque
from typing import Final, NamedTuple

from cio_spark.clock import Clock
from cio_spark.pipeline.progress import DeliveryProgress

RATE_SECONDS: Final = 30.0
"""Seconds over which the rate is measured: three reports of an executor that reports every 10 s."""
QUIET_SECONDS: Final = 20.0
"""Seconds without a done record after which they count as time in which nothing was done."""


class _Sample(NamedTuple):
    """Holds the number of done records of a wave at a time."""

    seconds: float
    done: int


class ProgressMeter:
    """Computes the progress of a run in waves.

    Within one try of a wave the number of done records never falls: if a task is lost and starts again, the number
    stands still until the task has caught up. It never exceeds the number of records. If a wave is sent once more, it
    starts again from 0, because none of its statuses are committed.

    Args:
        clock: source of time.
        records: number of records of all waves.
    """

    def __init__(self, clock: Clock, records: int) -> None:
        self._clock = clock
        self._records = records
        self._done_before = self._done = self._wave_records = 0
        self._limited_by = ""
        self._began = clock.monotonic()
        self._samples: deque[_Sample] = deque()
        self._records_per_second: float | None = None

    def begin_wave(self, done_before: int, records: int, limited_by: str) -> None:
        """Start to measure one try of a wave; the rate of the last wave holds until the wave has its own.

        Args:
            done_before: records of the waves before it.
            records: records of the wave.
            limited_by: what limits the speed of the wave.
        """
        self._done_before, self._done = done_before, 0
        self._wave_records, self._limited_by = records, limited_by
        self._began = self._clock.monotonic()
        self._samples.clear()

    def measure(self, rows: int | None, tasks_done: int, tasks: int) -> DeliveryProgress:
        """Compute the progress of the current wave and of the run.

        Args:
            rows: rows that the tasks of the wave have returned; None if Spark does not report them. The share of
                completed tasks is then taken for the share of records.
            tasks_done: number of completed tasks.
            tasks: number of all tasks.
        """
        now = self._clock.monotonic()
        known = rows if rows is not None else self._wave_records * tasks_done // max(tasks, 1)
        done = max(self._done, min(known, self._wave_records))
        if done > self._done:
            if rows is None and not self._samples:
                # There may be few tasks, so the first one counts from the beginning of the wave
                self._samples.append(_Sample(self._began, 0))
            self._samples.append(_Sample(now, done))
        self._done = done
        self._measure_rate(now)
        left = self._records - self._done_before - done
        rate = self._records_per_second
        return DeliveryProgress(
            records_done=self._done_before + done,
            records=self._records,
            wave_records_done=done,
            wave_records=self._wave_records,
            tasks_done=tasks_done,
            tasks=tasks,
            records_per_second=rate,
            seconds_left=left / rate if rate else None,
            limited_by=self._limited_by,
        )

    def _measure_rate(self, now: float) -> None:
        """Update the rate from the times at which the number of done records rose.

        Executors report every few seconds. So the time since the last report says nothing, as long as it is short; and
        the first report of a wave says nothing, because it is not known when its first record was sent.
        """
        while len(self._samples) > 2 and self._samples[1].seconds <= now - RATE_SECONDS:
            self._samples.popleft()
        if len(self._samples) < 2:
            return
        first, last = self._samples[0], self._samples[-1]
        until = last.seconds if now - last.seconds <= QUIET_SECONDS else now
        if until > first.seconds:
            self._records_per_second = (last.done - first.done) / (until - first.seconds)
