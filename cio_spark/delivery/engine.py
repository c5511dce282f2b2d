"""Connects delivery to Spark: turns partitions of records into their statuses.

It is the only file of this folder that imports pyspark. Nothing is sent until an action evaluates the result.
"""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark import Accumulator, SparkFiles, TaskContext
from pyspark.accumulators import AccumulatorParam
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.config import DeliveryEngine
from cio_spark.config.batch import MOST_PARALLEL_WORKERS
from cio_spark.delivery.evaluation import first_stage
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.probe import ProbeSettings
from cio_spark.delivery.records import record_batch
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.delivery.worker_exit import ended_with_its_task
from cio_spark.delivery.worker_probe import PROBE_ROW, ProbeRow, check_worker, probe_row
from cio_spark.delivery.worker_warm_up import warm_up_worker
from cio_spark.errors import ConfigurationError, SecondEvaluationError
from cio_spark.extras import require_libraries
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.schemas import OUTCOMES, PREPARED_COLUMNS, RECORD_STATUS, struct_of
from cio_spark.spark.conf import read_setting, temporary_settings
from cio_spark.spark.versions import IS_SPARK_4, classic_context, is_local, task_slots

# repartition() places rows by Murmur3; lanes need another hash, or the persons of a partition would share a lane
_LANE_SEED = 17


def count_slots(spark: SparkSession, engine: DeliveryEngine) -> Slots:
    """Count the task slots of a session, and tell whether more may appear.

    Spark Connect does not tell its slots: there the result is the largest number of workers that may be configured.

    Args:
        spark: the session.
        engine: how records are to reach the Python workers.

    Raises:
        ConfigurationError: speculation is on, so that a speculative task would send everything a second time; or the
            session is Spark Connect of version 3.5; or it is Spark Connect and `engine` is `rdd`; or pandas is not
            installed (`MissingLibraryError`), which `mapInArrow` asks for.
    """
    if engine is DeliveryEngine.ARROW:
        require_libraries("pandas")
    context = classic_context(spark)
    name = "spark.speculation"
    speculation = read_setting(spark, name) if context is None else context.getConf().get(name)
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
    # On a cluster, executors may still be registering: the number of slots seen now is no upper bound
    return Slots(task_slots(context) or max(1, context.defaultParallelism), fixed=is_local(context))


def node_names(engine: DeliveryEngine) -> frozenset[str]:
    """Return the names that Spark's versions give the node whose output rows are the records with an outcome.

    Args:
        engine: how records reach the Python workers.
    """
    if engine is DeliveryEngine.ARROW:
        return frozenset({"MapInArrow", "PythonMapInArrow"})
    return frozenset({"Scan ExistingRDD"})


def ends_with_process(spark: SparkSession) -> bool:
    """Tell whether a delivery ends when the driver's Python process ends.

    It does not on Spark Connect, where the server goes on with what a client has started that is gone, nor on a
    Databricks cluster, whose JVM was there before this process.
    """
    context = classic_context(spark)
    if context is None:
        return False
    return context.getConf().get("spark.databricks.clusterUsageTags.clusterId") is None


def check_api_from_worker(spark: SparkSession, settings: ProbeSettings, engine: DeliveryEngine) -> None:
    """Probe the API in one task, and raise an error if the worker could not use it.

    On a local session the worker is a process of the driver's machine, so the driver's own probe is enough, and no job
    is started.

    Args:
        spark: the session.
        settings: where the API is and how to probe it.
        engine: how records are to reach the Python workers.

    Raises:
        CioSparkError: see `check_worker`.
    """
    context = classic_context(spark)
    if context is not None and is_local(context):
        return
    one = spark.range(0, 1, 1, 1)
    if engine is DeliveryEngine.ARROW:
        rows: Iterable[tuple[Any, ...]] = one.mapInArrow(_arrow_probe(settings), PROBE_ROW).collect()
    else:
        rows = one.rdd.mapPartitions(_row_probe(settings)).collect()
    for row in rows:
        check_worker(ProbeRow(*row), settings)


def arrange_records(records: DataFrame, plan: DeliveryPlan) -> DataFrame:
    """Place each person's records in one lane of one partition, in order of time.

    Args:
        records: records to deliver, with `person_key`, `occurred_at` and all of `PREPARED_COLUMNS` except `lane`.
        plan: gives the number of partitions and lanes.
    """
    # Invalid records may have no person; their record id spreads them over the partitions
    place = F.coalesce("person_key", "record_id")
    return (
        records.repartition(plan.partitions, place)
        .sortWithinPartitions("occurred_at", "record_id")
        .withColumn("lane", F.pmod(F.xxhash64(F.lit(_LANE_SEED), "person_key"), F.lit(plan.lanes)).cast("int"))
        .select(*PREPARED_COLUMNS)
    )


class _Union(AccumulatorParam[frozenset[int]]):
    """Unites sets of numbers in a Spark accumulator."""

    def zero(self, value: frozenset[int]) -> frozenset[int]:
        return value - value

    def addInPlace(self, value1: frozenset[int], value2: frozenset[int]) -> frozenset[int]:  # noqa: N802  # Spark's name
        return value1 | value2


class SingleEvaluation:
    """Allows only one Spark stage to evaluate a delivery, and counts the stages that did.

    A writer may evaluate what it writes twice: a writer that samples its rows first does. The tasks of a second
    evaluation refuse to send if their executor saw the first one; if it did not, the driver counts two stages
    (docs/decisions/0016-a-second-evaluation-is-refused.md).

    Args:
        spark: the session.
    """

    def __init__(self, spark: SparkSession) -> None:
        context = classic_context(spark)
        self._delivery = uuid.uuid4().hex
        self._stages = None if context is None else context.accumulator(frozenset[int](), _Union())

    @property
    def times(self) -> int:
        """Return the number of stages of which a task has ended; 1 on Spark Connect, which has no accumulators."""
        return 1 if self._stages is None else len(self._stages.value)

    def enter(self) -> int:
        """Return the id of this task's stage, unless another stage has evaluated the delivery first.

        Raises:
            SecondEvaluationError: another stage has evaluated the delivery before.
        """
        context = TaskContext.get()
        stage = context.stageId() if context is not None else 0
        if first_stage(self._delivery, stage, Path(SparkFiles.getRootDirectory())) != stage:
            raise SecondEvaluationError("this stage is not the first to evaluate the delivery")
        return stage

    def leave(self, stage: int) -> None:
        """Tell the driver that a task of the stage has ended."""
        if self._stages is not None:
            self._stages.add(frozenset([stage]))


def deliver_records(
    arranged: DataFrame,
    settings: DeliverySettings,
    sync: str,
    *,
    evaluation: SingleEvaluation,
    completed: Accumulator[int] | None = None,
    barrier: bool = False,
    engine: DeliveryEngine = DeliveryEngine.ARROW,
) -> DataFrame:
    """Return the statuses of a wave as a lazy DataFrame.

    The first action on the result sends the wave; every further action fails.

    Args:
        arranged: output of `arrange_records`.
        settings: settings that the tasks need.
        sync: the sync's name.
        evaluation: guard that was made for this call only.
        completed: accumulator that counts completed tasks; None if nobody counts them.
        barrier: whether the delivery is a barrier stage: all its tasks run at once, and end as a whole.
        engine: how records reach the Python workers.

    Returns:
        Rows of `record_status`.
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
    """Keep Arrow's chunks small while a delivery runs, so that memory stays flat for payloads of any size.

    Args:
        spark: the session.
        rows: most rows of a chunk.
    """
    return temporary_settings(
        spark,
        {
            "spark.sql.execution.arrow.maxRecordsPerBatch": str(rows),
            # A limit of rows alone is enough, because each row has a limit of its own. With a limit of bytes, Spark
            # would add up the bytes of all columns again for every row
            "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
        },
    )


def _arrow_task(
    settings: DeliverySettings, evaluation: SingleEvaluation, completed: Accumulator[int] | None
) -> Callable[[Any], Iterable[pa.RecordBatch]]:
    """Return the function that `mapInArrow` runs in the executors' Python workers."""

    def run(chunks: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        stage = evaluation.enter()
        warm_up_worker()
        with ended_with_its_task():
            for group in deliver_partition(_partition(), chunks, settings):
                yield group.as_arrow()
        evaluation.leave(stage)
        if completed is not None:
            completed.add(1)

    return run


def _row_task(
    settings: DeliverySettings, evaluation: SingleEvaluation, completed: Accumulator[int] | None
) -> Callable[[Any], Iterator[tuple[Any, ...]]]:
    """Return the function that `rdd.mapPartitions` runs in the executors' Python workers."""

    def run(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        stage = evaluation.enter()
        unread = iter(rows)
        chunks = (record_batch(chunk) for chunk in iter(lambda: list(islice(unread, settings.rows_per_chunk)), []))
        warm_up_worker()
        with ended_with_its_task():
            for group in deliver_partition(_partition(), chunks, settings):
                yield from zip(*[column.to_pylist() for column in group.as_arrow().columns], strict=True)
        evaluation.leave(stage)
        if completed is not None:
            completed.add(1)

    return run


def _arrow_probe(settings: ProbeSettings) -> Callable[[Any], Iterator[pa.RecordBatch]]:
    """Return the function that `mapInArrow` runs to probe the API once for each chunk of rows."""

    def run(chunks: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        return (probe_row(settings).as_arrow() for _ in chunks)

    return run


def _row_probe(settings: ProbeSettings) -> Callable[[Any], Iterator[tuple[Any, ...]]]:
    """Return the function that `rdd.mapPartitions` runs to probe the API once for each row."""

    def run(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        return (tuple(probe_row(settings)) for _ in rows)

    return run


def _partition() -> int:
    context = TaskContext.get()
    return context.partitionId() if context is not None else 0
