"""Watches a delivery while it runs: reports its progress, and cancels it when it is overdue."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from cio_spark.clock import Clock, SystemClock
from cio_spark.errors import CioSparkError
from cio_spark.pipeline.spark_jobs import ClassicJobs, ConnectJobs
from cio_spark.spark.helper_thread import PATIENCE_SECONDS, HelperThread
from cio_spark.spark.returned_rows import ReturnedRows
from cio_spark.spark.versions import classic_context

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_POLL_SECONDS = 0.5
STARVED_SECONDS = 30.0
"""Seconds that a delivery waits for slots; the executor that replaces a lost one registers within seconds."""
_STARVED = (
    "the tasks of a wave, which must start together, found no free slots: other jobs of the application hold them; "
    "nothing is lost, run again when they have ended, or with fewer batch.parallel_workers"
)


class DeliveryWatch:
    """Runs a delivery, reports how far it is, and cancels it when it is overdue.

    The statuses of a cancelled delivery are discarded, so nobody knows which of its records
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
        may_still_send: whether the delivery has failed, or was interrupted, and may be at work all the same.
        patience_until: until when a failed delivery is waited for, by the clock's monotonic time; None before it fails.
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
        self.may_still_send = False
        self.patience_until: float | None = None
        self._spark = spark
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
                self.starved = self.starved or self._clock.monotonic() - fed > STARVED_SECONDS
                rows = None if self._returned is None else self._returned.read()
                self._tell(rows, jobs.completed_tasks, self.tasks)

    def run(self, action: Callable[[], None]) -> None:
        """Run the action that delivers, and wait for its end; an exception of this thread cancels the action.

        The action runs in a thread of its own, because a KeyboardInterrupt, as a notebook's Cancel raises it, would end
        only the waiting for the JVM: the append would go on, and start the jobs that it has not started yet. The run is
        about to write its end, after which another run may start.

        Args:
            action: the delivery.

        Raises:
            CioSparkError: the tasks found no free slots to start together.
        """
        self.jobs.begin()
        try:
            self._thread.start()
            helper = HelperThread(self._spark, action, "delivery")
            try:
                helper.start()
                helper.wait()
                helper.raise_error()
            except BaseException as error:
                self.may_still_send = True  # until it is known to have ended
                self._ended.set()
                self._stop_sending(helper)
                if self.starved and isinstance(error, Exception):
                    raise CioSparkError(_STARVED) from error
                raise
        finally:
            self._ended.set()
            try:
                if self._thread.is_alive():
                    self._thread.join()
            finally:
                self.jobs.end()

    def _stop_sending(self, helper: HelperThread) -> None:
        """Cancel the delivery again and again until its thread and its tasks have ended, but not for ever.

        One cancellation is not enough: between the jobs of an append there is nothing to cancel. Spark Connect does not
        tell which tasks are at work: there only the end of the interrupted operation is waited for.
        """
        self.patience_until = self._clock.monotonic() + PATIENCE_SECONDS
        while self.may_still_send:
            # A further interrupt must not end this wait: it is bounded
            with contextlib.suppress(KeyboardInterrupt):
                self.may_still_send = not helper.has_ended or self._has_active_tasks()
                if not self.may_still_send or self._clock.monotonic() >= self.patience_until:
                    return
                with contextlib.suppress(Exception):
                    self.jobs.cancel()
                self._clock.sleep(_POLL_SECONDS)

    def _has_active_tasks(self) -> bool:
        """Tell whether tasks of the delivery are at work; False if Spark is gone, and on Spark Connect."""
        with contextlib.suppress(Exception):
            return self.jobs.active_tasks > 0
        return False
