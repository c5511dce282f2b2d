"""The only place where Spark and delivery meet: partitions in, statuses out, nothing sent until somebody acts on it."""

from __future__ import annotations

import contextlib
import gc
import sys
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any
from zipimport import zipimporter

import pyarrow as pa
from pyspark import Accumulator, SparkFiles, TaskContext
from pyspark.accumulators import AccumulatorParam
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.config import DeliveryEngine
from cio_spark.config.batch import MOST_PARALLEL_WORKERS
from cio_spark.delivery.evaluation import first_stage
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.records import record_batch
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.delivery.worker_exit import ended_with_its_task
from cio_spark.errors import ConfigurationError, SecondEvaluationError
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.schemas import OUTCOMES, PREPARED_COLUMNS, RECORD_STATUS, struct_of
from cio_spark.spark.conf import set_for_a_while
from cio_spark.spark.versions import IS_SPARK_4, classic_context, is_local, task_slots

# repartition() places by Murmur3; lanes need another hash, or a partition's persons would share a lane
_LANE_SEED = 17


def count_slots(spark: SparkSession, engine: DeliveryEngine) -> Slots:
    """The task slots there are, and whether more may appear; Spark Connect does not tell.

    Args:
        spark: the session.
        engine: how records are to reach the Python workers.

    Raises:
        ConfigurationError: speculation is on: a speculative task would send everything a second time; or this session
            has no such engine, or is not fit for any.
    """
    context = classic_context(spark)
    settings: Any = spark.conf if context is None else context.getConf()
    speculation = None
    with contextlib.suppress(Exception):  # serverless compute has settings it does not show
        speculation = settings.get("spark.speculation", None)
    if (speculation or "false").lower() == "true":
        raise ConfigurationError.of(
            "spark.speculation", "is on, and would send records twice; set it to false and start again"
        )
    if context is None:
        if not IS_SPARK_4:
            raise ConfigurationError.of(
                "spark", "is Spark Connect of version 3.5, which lacks what is needed: use Spark 4, or classic compute"
            )
        if engine is DeliveryEngine.RDD:
            raise ConfigurationError.of(
                "delivery.engine", "is rdd, which there is none of on Spark Connect and serverless compute: use arrow"
            )
        return Slots(MOST_PARALLEL_WORKERS, fixed=False)
    # On a cluster executors may still be registering: what is seen now is no upper bound
    return Slots(task_slots(context) or max(1, context.defaultParallelism), fixed=is_local(context))


def ends_with_process(spark: SparkSession) -> bool:
    """Tell whether a delivery ends with the driver's Python process.

    Not so on Spark Connect, where the server goes on with what a client that is gone has started, nor on a cluster of
    Databricks, whose JVM was there before this process.
    """
    context = classic_context(spark)
    if context is None:
        return False
    return context.getConf().get("spark.databricks.clusterUsageTags.clusterId") is None


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


class _Union(AccumulatorParam[frozenset[int]]):
    """Adds up sets of numbers."""

    def zero(self, value: frozenset[int]) -> frozenset[int]:
        return value - value

    def addInPlace(self, value1: frozenset[int], value2: frozenset[int]) -> frozenset[int]:  # noqa: N802  # Spark's name
        return value1 | value2


class Evaluation:
    """Lets one stage of Spark evaluate a delivery, and counts the stages that did (docs/decisions/0016).

    A writer may evaluate what it writes twice: one that samples its rows first does. The tasks of a second evaluation
    refuse to send, where their executor saw the first one; where it did not, the driver counts two stages.

    Args:
        spark: the session.
    """

    def __init__(self, spark: SparkSession) -> None:
        context = classic_context(spark)
        self._delivery = uuid.uuid4().hex
        self._stages = None if context is None else context.accumulator(frozenset[int](), _Union())

    @property
    def times(self) -> int:
        """Tell how many stages have evaluated it to their end; on Spark Connect, which has no accumulators, 1."""
        return 1 if self._stages is None else len(self._stages.value)

    def enter(self) -> int:
        """The stage of this task.

        Raises:
            SecondEvaluationError: another stage has evaluated the delivery before.
        """
        context = TaskContext.get()
        stage = context.stageId() if context is not None else 0
        if first_stage(self._delivery, stage, Path(SparkFiles.getRootDirectory())) != stage:
            raise SecondEvaluationError("this stage is not the first to evaluate the delivery")
        return stage

    def leave(self, stage: int) -> None:
        """Tells the driver that a task of the stage has come to its end."""
        if self._stages is not None:
            self._stages.add(frozenset([stage]))


def deliver_records(
    arranged: DataFrame,
    settings: DeliverySettings,
    sync: str,
    *,
    evaluation: Evaluation,
    completed: Accumulator[int] | None = None,
    barrier: bool = False,
    engine: DeliveryEngine = DeliveryEngine.ARROW,
) -> DataFrame:
    """The statuses of a wave, lazily; one action on the result sends it, every further one fails.

    Args:
        arranged: output of `arrange_records`.
        settings: what the tasks need.
        sync: the sync's name.
        evaluation: made for this very call.
        completed: told of completed tasks; None: nobody is.
        barrier: whether it is a barrier stage: all its tasks at once, ended as a whole.
        engine: how records reach the Python workers.

    Returns:
        rows of `record_status`.
    """
    if engine is DeliveryEngine.ARROW:
        outcomes = arranged.mapInArrow(_arrow_task(settings, evaluation, completed), OUTCOMES, barrier=barrier)
    else:
        records = arranged.rdd.barrier() if barrier else arranged.rdd
        rows = records.mapPartitions(_row_task(settings, evaluation, completed))
        outcomes = arranged.sparkSession.createDataFrame(rows, struct_of(OUTCOMES), verifySchema=False)
    constants = {
        "run_id": F.lit(settings.run_id),
        "sync": F.lit(sync),
        "operation_type": F.lit(settings.operation_type),
    }
    return outcomes.withColumns(constants).select(*struct_of(RECORD_STATUS).fieldNames())


def arrow_chunks(spark: SparkSession, rows: int) -> contextlib.AbstractContextManager[None]:
    """Keeps the chunks that Arrow hands over small while a delivery runs, so that memory is flat for any payload.

    Args:
        spark: the session.
        rows: of a chunk.
    """
    return set_for_a_while(
        spark,
        {
            "spark.sql.execution.arrow.maxRecordsPerBatch": str(rows),
            # Rows alone bound a chunk, for each has a limit: Spark would add up all columns' bytes again for every row
            "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
        },
    )


def _arrow_task(
    settings: DeliverySettings, evaluation: Evaluation, completed: Accumulator[int] | None
) -> Callable[[Any], Iterable[pa.RecordBatch]]:
    """The function that `mapInArrow` runs in the executors' Python workers."""

    def run(chunks: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        stage = evaluation.enter()
        _warm_up_worker()
        with ended_with_its_task():
            for group in deliver_partition(_partition(), chunks, settings):
                yield group.as_arrow()
        evaluation.leave(stage)
        if completed is not None:
            completed.add(1)

    return run


def _row_task(
    settings: DeliverySettings, evaluation: Evaluation, completed: Accumulator[int] | None
) -> Callable[[Any], Iterator[tuple[Any, ...]]]:
    """The function that `rdd.mapPartitions` runs in the executors' Python workers."""

    def run(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        stage = evaluation.enter()
        unread = iter(rows)
        chunks = (record_batch(chunk) for chunk in iter(lambda: list(islice(unread, settings.rows_per_chunk)), []))
        _warm_up_worker()
        with ended_with_its_task():
            for group in deliver_partition(_partition(), chunks, settings):
                yield from zip(*[column.to_pylist() for column in group.as_arrow().columns], strict=True)
        evaluation.leave(stage)
        if completed is not None:
            completed.add(1)

    return run


def _partition() -> int:
    context = TaskContext.get()
    return context.partitionId() if context is not None else 0


def _warm_up_worker() -> None:
    """Makes the worker process fit for many tasks: pyspark does much between two of them that is of no use to us."""
    _forget_archives()
    if not gc.get_freeze_count():
        # Garbage is collected after each task; what is imported by now never is any, and takes 0.1 s to look at
        gc.freeze()


def _forget_archives() -> None:
    """Takes jars off the worker's import path, and forgets what was read of zip files.

    A reused worker reads the directory of every archive it has imported from again before each task: 0.2 s of CPU a
    task for Spark's own jar and pyspark.zip (docs/decisions/0004-jars-as-files.md). Imports read what they need anew.
    """
    sys.path[:] = [entry for entry in sys.path if not entry.endswith(".jar")]
    for entry, finder in list(sys.path_importer_cache.items()):
        if ".jar" in entry or isinstance(finder, zipimporter):
            del sys.path_importer_cache[entry]
