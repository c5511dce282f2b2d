"""The only place where Spark and delivery meet: partitions in, statuses out, nothing sent until somebody acts on it."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.errors import ConfigurationError
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.schemas import OUTCOME_GROUP, PREPARED_COLUMNS, RECORD_STATUS, struct_of

_PER_RECORD = ("record_id", "person_key", "message_id", "payload_hash", "payload_bytes")
# repartition() places by Murmur3; lanes need another hash, or a partition's persons would share a lane
_LANE_SEED = 17
_POLL_SECONDS = 0.5


def count_slots(spark: SparkSession) -> Slots:
    """The task slots there are, and whether more may appear.

    Raises:
        ConfigurationError: speculation is on: a speculative task would send everything a second time.
    """
    conf = spark.sparkContext.getConf()
    if (conf.get("spark.speculation") or "false").lower() == "true":
        raise ConfigurationError.of(
            "spark.speculation", "is on, and would send records twice; set it to false and start again"
        )
    slots = max(1, spark.sparkContext.defaultParallelism)
    local = (conf.get("spark.master") or "").startswith("local")
    # On a cluster executors may still be registering: what is seen now is no upper bound
    return Slots(slots, fixed=local and conf.get("spark.default.parallelism") is None)


def arrange_records(records: DataFrame, plan: DeliveryPlan) -> DataFrame:
    """Places records: a person in one lane of one partition, in order of time.

    Args:
        records: records to deliver, with `person_key`, `occurred_at` and the columns of `PREPARED_COLUMNS` but `lane`.
        plan: partitions and lanes.
    """
    # Invalid records may have no person; their own id spreads them
    place = F.coalesce("person_key", "record_id")
    return (
        records.repartition(plan.partitions, place)
        .sortWithinPartitions("occurred_at", "record_id")
        .withColumn("lane", F.pmod(F.xxhash64(F.lit(_LANE_SEED), "person_key"), F.lit(plan.lanes)).cast("int"))
        .select(*PREPARED_COLUMNS)
    )


def deliver_records(arranged: DataFrame, settings: DeliverySettings, sync: str) -> DataFrame:
    """The statuses of a wave, lazily: every action on the result sends everything once more.

    Args:
        arranged: output of `arrange_records`.
        settings: what the tasks need.
        sync: the sync's name.

    Returns:
        rows of `record_status`.
    """
    groups = arranged.rdd.mapPartitions(_task(settings, deliver_partition))
    frame = arranged.sparkSession.createDataFrame(groups, struct_of(OUTCOME_GROUP), verifySchema=False)
    records = frame.withColumn("record", F.explode(F.arrays_zip(*_PER_RECORD))).drop(*_PER_RECORD)
    constants = {
        "run_id": F.lit(settings.run_id),
        "sync": F.lit(sync),
        "operation_type": F.lit(settings.operation_type),
    }
    wanted = struct_of(RECORD_STATUS).fieldNames()
    return records.select("*", "record.*").withColumns(constants).select(*wanted)


def _task(
    settings: DeliverySettings, deliver: Callable[..., Iterator[tuple[Any, ...]]]
) -> Callable[[Iterable[Any]], Iterator[tuple[Any, ...]]]:
    """The function that runs in the executors' Python workers."""

    def run(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        _forget_jars()
        context = TaskContext.get()
        return deliver(context.partitionId() if context is not None else 0, rows, settings)

    return run


def _forget_jars() -> None:
    """Takes Spark's own jar off the worker's import path.

    A reused worker reads the directory of every archive on its path again before each task; for spark-core.jar that
    was 0.17 s of CPU a task (docs/performance.md). Nothing in Python is imported from a jar.
    """
    sys.path[:] = [entry for entry in sys.path if not entry.endswith(".jar")]
    for entry in [entry for entry in sys.path_importer_cache if ".jar" in entry]:
        del sys.path_importer_cache[entry]


class TaskProgress:
    """Tells how many tasks of the delivery are completed, while it runs; a context manager.

    Args:
        spark: the session.
        group: job group that the delivery runs in; set for the calling thread.
        tasks: tasks of the delivery.
        tell: called with completed and all tasks.
    """

    def __init__(self, spark: SparkSession, group: str, tasks: int, tell: Callable[[int, int], None]) -> None:
        self._context = spark.sparkContext
        self._group = group
        self._tasks = tasks
        self._tell = tell
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="progress", daemon=True)

    def _completed(self) -> int | None:
        """Completed tasks; None while Spark is still preparing the records."""
        tracker = self._context.statusTracker()
        done = None
        for job in tracker.getJobIdsForGroup(self._group):
            info = tracker.getJobInfo(job)
            # the delivery is the last stage of its job, and has as many tasks as the plan has partitions
            last = max(info.stageIds, default=-1) if info is not None else -1
            stage = tracker.getStageInfo(last) if last >= 0 else None
            if stage is not None and stage.numTasks == self._tasks and stage.numActiveTasks + stage.numCompletedTasks:
                done = max(done or 0, stage.numCompletedTasks)
        return done

    def _watch(self) -> None:
        while not self._ended.wait(_POLL_SECONDS):
            done = self._completed()
            if done is not None:
                self._tell(done, self._tasks)

    def __enter__(self) -> TaskProgress:
        self._context.setJobGroup(self._group, "cio_spark delivery")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        self._context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]  # None clears it
