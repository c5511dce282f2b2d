"""Observes and cancels the Spark jobs of one delivery, on a classic session and on Spark Connect."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cio_spark.spark.versions import cancel_jobs, classic_context, is_local, task_slots

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext
    from pyspark.sql import SparkSession

UNKNOWN = 0
"""Number of slots if Spark does not report it."""
_GROUP, _DESCRIPTION, _TAGS = "spark.jobGroup.id", "spark.job.description", "spark.job.tags"
_RUNNING = "RUNNING"


def needs_barrier(local: bool, dynamic_allocation: bool, partitions: int, slots: int) -> bool:
    """Tell whether a delivery runs as a barrier stage: its tasks start together, and all end when one is lost.

    When an executor is lost, its shuffle files are lost too. Spark then runs a plain stage again, including tasks that
    are still running: a person may get two requests at once, and the rate doubles. Spark refuses a barrier stage under
    dynamic allocation, and lets a barrier stage wait if there are fewer `slots` (0: unknown) than tasks. Local mode
    loses no executor (docs/decisions/0010-barrier.md).
    """
    return not local and not dynamic_allocation and partitions <= slots


@contextlib.contextmanager
def outside_the_callers_group(spark: SparkSession) -> Iterator[None]:
    """Run the Spark jobs of the block in no job group and under no tag; do nothing if Spark is gone.

    Who cancels a group may cancel its future jobs too; what is left to do after a cancellation must not be among them.

    Args:
        spark: the session.
    """
    context = classic_context(spark)
    if context is None:  # Spark Connect interrupts only what is under way
        yield
        return
    before: dict[str, str | None] = {}
    with contextlib.suppress(Exception):
        for name in (_GROUP, _DESCRIPTION, _TAGS):
            before[name] = context.getLocalProperty(name)
            context.setLocalProperty(name, None)  # type: ignore[arg-type]  # None clears it
    try:
        yield
    finally:
        with contextlib.suppress(Exception):
            for name, value in before.items():
                context.setLocalProperty(name, value)  # type: ignore[arg-type]  # None clears it


class ClassicJobs:
    """Observes and cancels the Spark jobs of a delivery on a classic session, which it finds by a tag.

    The jobs stay in the job group of the calling thread, so that a cancellation of that group reaches them. If the
    thread has no group, the tag is their group too: from Spark 4 on, jobs that wait to start can only be cancelled by
    their group.

    Args:
        context: context of the session.
        tag: unique name of the delivery.
        tasks: number of tasks of the delivery.
        may_be_barrier: False to run a plain stage in any case.

    Attributes:
        barrier: whether the delivery is to run as a barrier stage.
        completed: accumulator to which every completed task adds itself, because Spark's stages do not say to which
            delivery they belong.
    """

    def __init__(self, context: SparkContext, tag: str, tasks: int, *, may_be_barrier: bool = True) -> None:
        self._context = context
        self._tag = tag
        inside: Any = context
        self._jvm = inside._jsc.sc()
        self._description: str | None = None
        self._has_own_group = False
        conf = context.getConf()
        dynamic = (conf.get("spark.dynamicAllocation.enabled") or "false").lower() == "true"
        self.barrier = may_be_barrier and needs_barrier(is_local(context), dynamic, tasks, self.slots)
        self.completed: Accumulator[int] = context.accumulator(0)

    @property
    def slots(self) -> int:
        """Number of tasks that can run at once, if no other job runs; 0 if unknown."""
        return task_slots(self._context)

    @property
    def completed_tasks(self) -> int:
        """Number of completed tasks."""
        return self.completed.value

    @property
    def active_tasks(self) -> int:
        """Number of running tasks, including those that Spark has killed and that have not ended yet."""
        stages = filter(None, (self._tracker.getStageInfo(stage) for job in self._found() for stage in job.stageIds))
        return sum(stage.numActiveTasks for stage in stages)

    def waits_for(self, tasks: int) -> bool:
        """Tell whether these jobs wait for slots to start `tasks` tasks together.

        Spark submits such a stage as soon as the application has enough slots, even if other jobs occupy them.
        """
        if self.completed_tasks or self.active_tasks:
            return False
        return self.slots < tasks or any(job.status == _RUNNING for job in self._found())

    @property
    def _tracker(self) -> Any:
        return self._context.statusTracker()

    def _found(self) -> Iterator[Any]:
        ids: Iterable[int] = self._jvm.statusTracker().getJobIdsForTag(self._tag)
        return filter(None, map(self._tracker.getJobInfo, ids))

    def begin(self) -> None:
        """Tag the Spark jobs that this thread starts from now on as jobs of the delivery."""
        self._description = self._context.getLocalProperty(_DESCRIPTION)
        self._has_own_group = self._context.getLocalProperty(_GROUP) is None
        self._context.addJobTag(self._tag)
        if self._has_own_group:
            self._context.setLocalProperty(_GROUP, self._tag)
        self._context.setLocalProperty(_DESCRIPTION, "cio_spark delivery")

    def end(self) -> None:
        """Stop tagging the Spark jobs that this thread starts."""
        self._context.removeJobTag(self._tag)
        if self._has_own_group:
            self._context.setLocalProperty(_GROUP, None)  # type: ignore[arg-type]  # None clears it
        self._context.setLocalProperty(_DESCRIPTION, self._description)  # type: ignore[arg-type]  # None clears it

    def cancel(self) -> None:
        """Cancel the Spark jobs of the delivery."""
        self._context.cancelJobsWithTag(self._tag)
        if self._has_own_group:
            cancel_jobs(self._jvm, self._tag)


class ConnectJobs:
    """Cancels the Spark jobs of a delivery on Spark Connect by their tag; Connect reports neither slots nor tasks.

    Args:
        spark: the session.
        tag: unique name of the delivery.

    Attributes:
        barrier: always False; the delivery is a plain stage.
        completed: always None; Connect has no accumulators.
    """

    barrier = False
    completed = None
    slots = UNKNOWN
    completed_tasks = 0
    active_tasks = 0

    def __init__(self, spark: SparkSession, tag: str) -> None:
        self._spark = spark
        self._tag = tag

    def begin(self) -> None:
        """Tag the Spark jobs that this thread starts from now on as jobs of the delivery."""
        self._spark.addTag(self._tag)

    def end(self) -> None:
        """Stop tagging the Spark jobs that this thread starts."""
        with contextlib.suppress(Exception):
            self._spark.removeTag(self._tag)

    def waits_for(self, tasks: int) -> bool:  # noqa: ARG002  the signature of `ClassicJobs`
        """Return False, because Connect does not report whether jobs wait for slots."""
        return False

    def cancel(self) -> None:
        """Cancel the Spark jobs of the delivery."""
        self._spark.interruptTag(self._tag)
