"""Watches a delivery while it runs: reports its progress, and cancels it when it is overdue."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cio_spark.clock import Clock, SystemClock
from cio_spark.pipeline.spark_jobs import ClassicJobs, ConnectJobs
from cio_spark.spark.returned_rows import ReturnedRows
from cio_spark.spark.versions import classic_context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_POLL_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
"""Seconds that a delivery waits for slots; the executor that replaces a lost one registers within seconds."""


class DeliveryWatch:
    """Reports how far a delivery is, and cancels it when it is overdue.

    It is a context manager. The statuses of a cancelled delivery are discarded, so nobody knows which of its records
    were sent.

    Args:
        spark: the session.
        tag: unique name of the delivery, set on the calling thread.
        tasks: number of tasks of the delivery.
        tell: called with the number of rows that the tasks have returned (None if Spark does not report it), of
            completed tasks and of all tasks.
        overdue: tells whether to cancel the delivery.
        nodes: names of the plan's node that returns these rows.
        may_be_barrier: False to run a plain stage in any case.
        clock: source of time; None for the system's clock.

    Attributes:
        jobs: Spark jobs of the delivery.
        starved: whether the delivery is cancelled because its tasks, which must start together, found no free slots.
            Spark counts all slots of the application, including those that other jobs occupy, and would wait for ever.
    """

    def __init__(
        self,
        spark: SparkSession,
        tag: str,
        tasks: int,
        tell: Callable[[int | None, int, int], None],
        overdue: Callable[[], bool],
        *,
        nodes: Collection[str] = (),
        may_be_barrier: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.tasks = tasks
        self._tell = tell
        self._overdue = overdue
        self._clock = clock or SystemClock()
        self.starved = False
        context = classic_context(spark)
        self._returned = None if context is None else ReturnedRows(spark, tag, nodes, self._clock)
        self.jobs = (
            ConnectJobs(spark, tag)
            if context is None
            else ClassicJobs(context, tag, tasks, may_be_barrier=may_be_barrier)
        )
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="delivery-watch", daemon=True)

    def _watch(self) -> None:
        fed = self._clock.monotonic()
        while not self._ended.wait(_POLL_SECONDS):
            jobs = self.jobs
            # A failure here is ignored: the next round of the loop tries again
            with contextlib.suppress(Exception):
                if self.starved or self._overdue():
                    jobs.cancel()
            # A failure here must not prevent the cancellation in the next round
            with contextlib.suppress(Exception):
                if not jobs.barrier or not jobs.waits_for(self.tasks):
                    fed = self._clock.monotonic()
                self.starved = self.starved or self._clock.monotonic() - fed > PATIENCE_SECONDS
                rows = None if self._returned is None else self._returned.read()
                self._tell(rows, jobs.completed_tasks, self.tasks)

    def __enter__(self) -> DeliveryWatch:
        self.jobs.begin()
        self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        if kind is not None:
            self._stop_sending()
        self.jobs.end()

    def _stop_sending(self) -> None:
        """Cancel what an exception has left at work, and wait for the end of its tasks.

        A KeyboardInterrupt, as a notebook's Cancel raises it, ends only the waiting for the jobs; on Spark Connect so
        does a lost connection. The run is about to write its end, after which another run may start.
        """
        until = self._clock.monotonic() + PATIENCE_SECONDS
        with contextlib.suppress(Exception):
            self.jobs.cancel()
            while self.jobs.active_tasks and self._clock.monotonic() < until:
                self._clock.sleep(_POLL_SECONDS)
