"""The only place where Spark and delivery meet: partitions in, statuses out, nothing sent until somebody acts on it."""

from __future__ import annotations

import contextlib
import gc
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any
from zipimport import zipimporter

import pyarrow as pa
from pyspark import Accumulator, TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.clock import SystemClock
from cio_spark.config import DeliveryEngine
from cio_spark.delivery.hang_up import ended_with_its_task
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.records import record_batch
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.errors import ConfigurationError
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.schemas import OUTCOMES, PREPARED_COLUMNS, RECORD_STATUS, struct_of
from cio_spark.spark_conf import set_for_a_while
from cio_spark.spark_versions import cancel_jobs

ROWS_PER_CHUNK = 2_000
_CHUNKS = {
    "spark.sql.execution.arrow.maxRecordsPerBatch": str(ROWS_PER_CHUNK),
    # Rows alone bound a chunk, for each has a limit: Spark would add up all columns' bytes again for every row
    "spark.sql.execution.arrow.maxBytesPerBatch": str(2**31 - 1),
}
# repartition() places by Murmur3; lanes need another hash, or a partition's persons would share a lane
_LANE_SEED = 17
_POLL_SECONDS = 0.5
PATIENCE_SECONDS = 30.0
"""How long a delivery waits for slots; a lost executor's successor registers within seconds."""


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


def needs_barrier(master: str, dynamic_allocation: bool, partitions: int, slots: int) -> bool:
    """Whether a delivery is run as a barrier stage: all its tasks at once, and ended as a whole when one is lost.

    A lost executor takes its shuffle files along; Spark then runs a plain stage again, also tasks still at work: two
    requests at once for a person, twice the rate. Spark refuses a barrier stage under dynamic allocation, and lets one
    with fewer `slots` (0: unknown) than tasks wait; local mode loses no executor (docs/decisions/0010-barrier.md).
    """
    local = master == "local" or master.startswith("local[")
    return not local and not dynamic_allocation and partitions <= slots


def deliver_records(
    arranged: DataFrame,
    settings: DeliverySettings,
    sync: str,
    watch: DeliveryWatch,
    engine: DeliveryEngine = DeliveryEngine.ARROW,
) -> DataFrame:
    """The statuses of a wave, lazily: every action on the result sends everything once more.

    Args:
        arranged: output of `arrange_records`.
        settings: what the tasks need.
        sync: the sync's name.
        watch: of this delivery; says whether it is a barrier stage, and is told of completed tasks.
        engine: how records reach the Python workers.

    Returns:
        rows of `record_status`.
    """
    if engine is DeliveryEngine.ARROW:
        outcomes = arranged.mapInArrow(_arrow_task(settings, watch.completed), OUTCOMES, barrier=watch.barrier)
    else:
        records = arranged.rdd.barrier() if watch.barrier else arranged.rdd
        rows = records.mapPartitions(_row_task(settings, watch.completed))
        outcomes = arranged.sparkSession.createDataFrame(rows, struct_of(OUTCOMES), verifySchema=False)
    constants = {
        "run_id": F.lit(settings.run_id),
        "sync": F.lit(sync),
        "operation_type": F.lit(settings.operation_type),
    }
    return outcomes.withColumns(constants).select(*struct_of(RECORD_STATUS).fieldNames())


def arrow_chunks(spark: SparkSession) -> contextlib.AbstractContextManager[None]:
    """Keeps the chunks that Arrow hands over small while a delivery runs, so that memory is flat for any payload."""
    return set_for_a_while(spark, _CHUNKS)


def _arrow_task(settings: DeliverySettings, completed: Accumulator[int]) -> Callable[[Any], Iterable[pa.RecordBatch]]:
    """The function that `mapInArrow` runs in the executors' Python workers."""

    def run(chunks: Iterable[pa.RecordBatch]) -> Iterable[pa.RecordBatch]:
        _settle_in()
        with ended_with_its_task():
            for group in deliver_partition(_partition(), chunks, settings):
                yield group.as_arrow()
        completed.add(1)

    return run


def _row_task(settings: DeliverySettings, completed: Accumulator[int]) -> Callable[[Any], Iterator[tuple[Any, ...]]]:
    """The function that `rdd.mapPartitions` runs in the executors' Python workers."""

    def run(rows: Iterable[Any]) -> Iterator[tuple[Any, ...]]:
        unread = iter(rows)
        chunks = (record_batch(chunk) for chunk in iter(lambda: list(islice(unread, ROWS_PER_CHUNK)), []))
        _settle_in()
        with ended_with_its_task():
            for group in deliver_partition(_partition(), chunks, settings):
                yield from zip(*[column.to_pylist() for column in group.as_arrow().columns], strict=True)
        completed.add(1)

    return run


def _partition() -> int:
    context = TaskContext.get()
    return context.partitionId() if context is not None else 0


def _settle_in() -> None:
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


class DeliveryWatch:
    """Watches a delivery while it runs: tells how many tasks are completed, cancels it when it is overdue.

    A context manager. What a cancelled delivery has sent is known to nobody: its statuses are thrown away.

    Args:
        spark: the session.
        group: job group of its own; set for the calling thread.
        tasks: tasks of the delivery.
        tell: called with completed and all tasks.
        overdue: whether to cancel.

    Attributes:
        barrier: whether the delivery is to run as a barrier stage.
        completed: tasks, counted by themselves: Spark's stages do not say whose they are.
        starved: whether it is cancelled for want of slots.
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
        self.tasks = tasks
        self._tell = tell
        self._overdue = overdue
        self._clock = SystemClock()
        self._jvm: Any = self._context._jsc.sc()
        self.starved = False
        conf = self._context.getConf()
        dynamic = (conf.get("spark.dynamicAllocation.enabled") or "false").lower() == "true"
        self.barrier = needs_barrier(conf.get("spark.master") or "", dynamic, tasks, self.slots)
        self.completed = self._context.accumulator(0)
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="delivery-watch", daemon=True)

    @property
    def slots(self) -> int:
        """Tasks that can run at once now, 0: not told; `defaultParallelism` says 2 for one slot."""
        try:
            return int(self._jvm.maxNumConcurrentTasks(self._jvm.resourceProfileManager().defaultResourceProfile()))
        except Exception:  # it is no public method: where it is closed to us, the delivery is a plain stage
            return 0

    @property
    def active_tasks(self) -> int:
        """Tasks at work, also those that Spark has killed and that have not ended yet."""
        tracker = self._context.statusTracker()
        jobs = filter(None, map(tracker.getJobInfo, tracker.getJobIdsForGroup(self._group)))
        stages = filter(None, (tracker.getStageInfo(stage) for job in jobs for stage in job.stageIds))
        return sum(stage.numActiveTasks for stage in stages)

    def _watch(self) -> None:
        fed = self._clock.monotonic()
        while not self._ended.wait(_POLL_SECONDS):
            if self.starved or self._overdue():
                cancel_jobs(self._jvm, self._group)
            # What fails here must not cost the cancellation
            with contextlib.suppress(Exception):
                if not self.barrier or self.completed.value or self.active_tasks or self.slots >= self.tasks:
                    fed = self._clock.monotonic()
                self.starved = self.starved or self._clock.monotonic() - fed > PATIENCE_SECONDS
                self._tell(self.completed.value, self.tasks)

    def __enter__(self) -> DeliveryWatch:
        self._context.setJobGroup(self._group, "cio_spark delivery")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
        for name in ("spark.jobGroup.id", "spark.job.description"):
            self._context.setLocalProperty(name, None)  # type: ignore[arg-type]  # None clears it
