"""The jobs of one delivery as Spark runs them, on a classic session and on Spark Connect."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

from cio_spark.spark_versions import cancel_jobs

if TYPE_CHECKING:
    from pyspark import Accumulator, SparkContext
    from pyspark.sql import SparkSession

UNKNOWN = 0
"""Slots where Spark does not tell."""


def needs_barrier(master: str, dynamic_allocation: bool, partitions: int, slots: int) -> bool:
    """Whether a delivery is run as a barrier stage: all its tasks at once, and ended as a whole when one is lost.

    A lost executor takes its shuffle files along; Spark then runs a plain stage again, also tasks still at work: two
    requests at once for a person, twice the rate. Spark refuses a barrier stage under dynamic allocation, and lets one
    with fewer `slots` (0: unknown) than tasks wait; local mode loses no executor (docs/decisions/0010-barrier.md).
    """
    local = master == "local" or master.startswith("local[")
    return not local and not dynamic_allocation and partitions <= slots


class ClassicJobs:
    """Jobs of a classic session, found by their group.

    Args:
        context: the session's.
        group: a name of their own.
        tasks: tasks of the delivery.

    Attributes:
        barrier: whether the delivery is to run as a barrier stage.
        completed: tasks, counted by themselves: Spark's stages do not say whose they are.
    """

    def __init__(self, context: SparkContext, group: str, tasks: int) -> None:
        self._context = context
        self._group = group
        inside: Any = context
        self._jvm = inside._jsc.sc()
        conf = context.getConf()
        dynamic = (conf.get("spark.dynamicAllocation.enabled") or "false").lower() == "true"
        self.barrier = needs_barrier(conf.get("spark.master") or "", dynamic, tasks, self.slots)
        self.completed: Accumulator[int] = context.accumulator(0)

    @property
    def slots(self) -> int:
        """Tasks that can run at once now; `defaultParallelism` says 2 for one slot."""
        try:
            return int(self._jvm.maxNumConcurrentTasks(self._jvm.resourceProfileManager().defaultResourceProfile()))
        except Exception:  # it is no public method: where it is closed to us, the delivery is a plain stage
            return UNKNOWN

    @property
    def completed_tasks(self) -> int:
        """Tasks that have come to their end."""
        return self.completed.value

    @property
    def active_tasks(self) -> int:
        """Tasks at work, also those that Spark has killed and that have not ended yet."""
        tracker = self._context.statusTracker()
        jobs = filter(None, map(tracker.getJobInfo, tracker.getJobIdsForGroup(self._group)))
        stages = filter(None, (tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds))
        return sum(stage.numActiveTasks for stage in stages)

    def begin(self) -> None:
        """What this thread starts from now on belongs to them."""
        self._context.setJobGroup(self._group, "cio_spark delivery")

    def end(self) -> None:
        """What this thread starts from now on does not."""
        for name in ("spark.jobGroup.id", "spark.job.description"):
            self._context.setLocalProperty(name, None)  # type: ignore[arg-type]  # None clears it

    def cancel(self) -> None:
        """Ends them, and those that Spark keeps waiting for slots; Spark 3.5 cannot do the latter."""
        cancel_jobs(self._jvm, self._group)


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
        """What this thread starts from now on belongs to them."""
        self._spark.addTag(self._tag)

    def end(self) -> None:
        """What this thread starts from now on does not."""
        with contextlib.suppress(Exception):
            self._spark.removeTag(self._tag)

    def cancel(self) -> None:
        """Ends them."""
        self._spark.interruptTag(self._tag)
