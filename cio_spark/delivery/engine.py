"""The only place where Spark and delivery meet: partitions in, statuses out, nothing sent until somebody acts on it."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from zipimport import zipimporter

import pyarrow as pa
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.config import DeliveryEngine
from cio_spark.delivery.outcome import OutcomeGroup
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.records import record_batch
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.errors import ConfigurationError
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.schemas import OUTCOMES, PREPARED_COLUMNS, RECORD_STATUS, struct_of

ROWS_PER_CHUNK = 2_000
_ARROW_ROWS = "spark.sql.execution.arrow.maxRecordsPerBatch"
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


def deliver_records(
    arranged: DataFrame, settings: DeliverySettings, sync: str, engine: DeliveryEngine = DeliveryEngine.ARROW
) -> DataFrame:
    """The statuses of a wave, lazily: every action on the result sends everything once more.

    Args:
        arranged: output of `arrange_records`.
        settings: what the tasks need.
        sync: the sync's name.
        engine: how records reach the Python workers.

    Returns:
        rows of `record_status`.
    """
    if engine is DeliveryEngine.ARROW:
        outcomes = arranged.mapInArrow(_arrow_task(settings, deliver_partition), OUTCOMES)
    else:
        rows = arranged.rdd.mapPartitions(_row_task(settings, deliver_partition))
        outcomes = arranged.sparkSession.createDataFrame(rows, struct_of(OUTCOMES), verifySchema=False)
    constants = {
        "run_id": F.lit(settings.run_id),
        "sync": F.lit(sync),
        "operation_type": F.lit(settings.operation_type),
    }
    return outcomes.withColumns(constants).select(*struct_of(RECORD_STATUS).fieldNames())


@contextlib.contextmanager
def arrow_chunks(spark: SparkSession) -> Iterator[None]:
    """Keeps the chunks that Arrow hands over small while a delivery runs, so that memory is flat for any payload."""
    before = spark.conf.get(_ARROW_ROWS)
    spark.conf.set(_ARROW_ROWS, str(ROWS_PER_CHUNK))
    try:
        yield
    finally:
        spark.conf.set(_ARROW_ROWS, str(before))


_Deliver = Callable[[int, Iterable[pa.RecordBatch], DeliverySettings], Iterator[OutcomeGroup]]


def _arrow_task(
    settings: DeliverySettings, deliver: _Deliver
) -> Callable[[Iterable[pa.RecordBatch]], Iterable[pa.RecordBatch]]:
    """The function that `mapInArrow` runs in the executors' Python workers."""

    def run(chunks: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        for group in deliver(_partition(), chunks, settings):
            yield group.as_arrow()

    return run


def _row_task(settings: DeliverySettings, deliver: _Deliver) -> Callable[[Iterable[Any]], Iterator[tuple[Any, ...]]]:
    """The function that `rdd.mapPartitions` runs in the executors' Python workers."""

    def run(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        unread = iter(rows)
        chunks = (record_batch(chunk) for chunk in iter(lambda: list(islice(unread, ROWS_PER_CHUNK)), []))
        for group in deliver(_partition(), chunks, settings):
            yield from zip(*[column.to_pylist() for column in group.as_arrow().columns], strict=True)

    return run


def _partition() -> int:
    _forget_archives()
    context = TaskContext.get()
    return context.partitionId() if context is not None else 0


def _forget_archives() -> None:
    """Takes jars off the worker's import path, and forgets what was read of zip files.

    A reused worker reads the directory of every archive it has imported from again before each task: 0.2 s of CPU a
    task for Spark's own jar and pyspark.zip (docs/decisions/0004-jars-as-files.md). Imports read what they need anew.
    """
    sys.path[:] = [entry for entry in sys.path if not entry.endswith(".jar")]
    for entry, finder in list(sys.path_importer_cache.items()):
        if ".jar" in entry or isinstance(finder, zipimporter):
            del sys.path_importer_cache[entry]


class DeliveryWatch:
    """Watches a delivery while it runs: tells how many tasks are completed, cancels it when it is overdue.

    A context manager. What a cancelled delivery has sent is known to nobody: its statuses are thrown away.

    Args:
        spark: the session.
        group: job group that the delivery runs in; set for the calling thread.
        tasks: tasks of the delivery.
        tell: called with completed and all tasks.
        overdue: whether to cancel.
    """

    def __init__(
        self,
        spark: SparkSession,
        group: str,
        tasks: int,
        tell: Callable[[int, int], None],
        overdue: Callable[[], bool],
    ) -> None:
        self._context = spark.sparkContext
        self._group = group
        self._tasks = tasks
        self._tell = tell
        self._overdue = overdue
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="delivery-watch", daemon=True)

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
            if self._overdue():
                self._context.cancelJobGroup(self._group)
            # Progress is decoration: a listener that fails must not cost the cancellation
            with contextlib.suppress(Exception):
                done = self._completed()
                if done is not None:
                    self._tell(done, self._tasks)

    def __enter__(self) -> DeliveryWatch:
        self._context.setJobGroup(self._group, "cio_spark delivery")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for name in ("spark.jobGroup.id", "spark.job.description"):
            self._context.setLocalProperty(name, None)  # type: ignore[arg-type]  # None clears it
