"""Watches a delivery while it runs: tells how far it is, ends it when it is overdue."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from cio_spark.clock import Clock, SystemClock
from cio_spark.pipeline.spark_jobs import ClassicJobs, ConnectJobs
from cio_spark.spark.versions import classic_context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_POLL_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
"""How long a delivery waits for slots; a lost executor's successor registers within seconds."""


class DeliveryWatch:
    """Tells how many tasks of a delivery are completed, cancels it when it is overdue.

    A context manager. What a cancelled delivery has sent is known to nobody: its statuses are thrown away.

    Args:
        spark: the session.
        tag: a name of the delivery's own; set for the calling thread.
        tasks: tasks of the delivery.
        tell: called with completed and all tasks.
        overdue: whether to cancel.
        may_be_barrier: False: the delivery is a plain stage in any case.
        clock: time.

    Attributes:
        jobs: of the delivery.
        starved: whether it is cancelled because its tasks, which must start together, found no free slots: Spark counts
            all slots of the application, also those that other jobs hold, and would wait without bound.
    """

    def __init__(
        self,
        spark: SparkSession,
        tag: str,
        tasks: int,
        tell: Callable[[int, int], None],
        overdue: Callable[[], bool],
        *,
        may_be_barrier: bool = True,
        clock: Clock | None = None,
    ) -> None:
        self.tasks = tasks
        self._tell = tell
        self._overdue = overdue
        self._clock = clock or SystemClock()
        self.starved = False
        context = classic_context(spark)
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
            # What fails here is tried again
            with contextlib.suppress(Exception):
                if self.starved or self._overdue():
                    jobs.cancel()
            # And what fails here must not cost the cancellation
            with contextlib.suppress(Exception):
                if not jobs.barrier or not jobs.waits_for(self.tasks):
                    fed = self._clock.monotonic()
                self.starved = self.starved or self._clock.monotonic() - fed > PATIENCE_SECONDS
                self._tell(jobs.completed_tasks, self.tasks)

    def __enter__(self) -> DeliveryWatch:
        self.jobs.begin()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self.jobs.end()
