"""The jobs of one delivery as Spark runs them, on a classic session and on Spark Connect."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from cio_spark.spark.versions import cancel_jobs, is_local, task_slots

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext
    from pyspark.sql import SparkSession

UNKNOWN = 0
"""Slots where Spark does not tell."""
_GROUP, _DESCRIPTION = "spark.jobGroup.id", "spark.job.description"
_RUNNING = "RUNNING"


def needs_barrier(local: bool, dynamic_allocation: bool, partitions: int, slots: int) -> bool:
    """Whether a delivery is run as a barrier stage: all its tasks at once, and ended as a whole when one is lost.

    A lost executor takes its shuffle files along; Spark then runs a plain stage again, also tasks still at work: two
    requests at once for a person, twice the rate. Spark refuses a barrier stage under dynamic allocation, and lets one
    with fewer `slots` (0: unknown) than tasks wait; local mode loses no executor (docs/decisions/0010-barrier.md).
    """
    return not local and not dynamic_allocation and partitions <= slots


class ClassicJobs:
    """Jobs of a classic session, found by a tag.

    They stay in the job group of whoever called, so that a cancellation by that group reaches them. Where there is
    none, the tag is their group too: from Spark 4 on, only a group's jobs can be cancelled while they wait to start.

    Args:
        context: the session's.
        tag: a name of their own.
        tasks: tasks of the delivery.
        may_be_barrier: False: it is a plain stage in any case.

    Attributes:
        barrier: whether the delivery is to run as a barrier stage.
        completed: tasks, counted by themselves: Spark's stages do not say whose they are.
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
        """The number of tasks that can run at once, whatever else is at work; 0: unknown."""
        return task_slots(self._context)

    @property
    def completed_tasks(self) -> int:
        """The number of tasks that have come to their end."""
        return self.completed.value

    @property
    def active_tasks(self) -> int:
        """The number of tasks at work, also those that Spark has killed and that have not ended yet."""
        stages = filter(None, (self._tracker.getStageInfo(stage) for job in self._found() for stage in job.stageIds))
        return sum(stage.numActiveTasks for stage in stages)

    def waits_for(self, tasks: int) -> bool:
        """Tell whether these jobs wait for slots to run so many tasks at once.

        Spark starts such a stage when the application has the slots; whether other jobs hold them it does not ask.
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
        """Make what this thread starts from now on belong to them."""
        self._description = self._context.getLocalProperty(_DESCRIPTION)
        self._has_own_group = self._context.getLocalProperty(_GROUP) is None
        self._context.addJobTag(self._tag)
        if self._has_own_group:
            self._context.setLocalProperty(_GROUP, self._tag)
        self._context.setLocalProperty(_DESCRIPTION, "cio_spark delivery")

    def end(self) -> None:
        """Make what this thread starts from now on belong to others again."""
        self._context.removeJobTag(self._tag)
        if self._has_own_group:
            self._context.setLocalProperty(_GROUP, None)  # type: ignore[arg-type]  # None clears it
        self._context.setLocalProperty(_DESCRIPTION, self._description)  # type: ignore[arg-type]  # None clears it

    def cancel(self) -> None:
        """End them."""
        self._context.cancelJobsWithTag(self._tag)
        if self._has_own_group:
            cancel_jobs(self._jvm, self._tag)


class ConnectJobs:
    """Jobs of a Spark Connect session, found by their tag; Connect tells neither slots nor tasks.

    Args:
        spark: the session.
        tag: a name of their own.

    Attributes:
        barrier, completed: as of `ClassicJobs`: none.
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
        """Make what this thread starts from now on belong to them."""
        self._spark.addTag(self._tag)

    def end(self) -> None:
        """Make what this thread starts from now on belong to others again."""
        with contextlib.suppress(Exception):
            self._spark.removeTag(self._tag)

    def waits_for(self, tasks: int) -> bool:  # noqa: ARG002  the signature of `ClassicJobs`
        """Tell whether these jobs wait for slots: Connect does not tell."""
        return False

    def cancel(self) -> None:
        """End them."""
        self._spark.interruptTag(self._tag)
