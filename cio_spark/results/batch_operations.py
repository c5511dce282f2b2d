"""Fills the table `batch_operations`, the notebook's 13 columns, with an aggregate of `record_status`."""

from __future__ import annotations

from collections.abc import Sequence

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.batch_facts import BATCH_FACTS
from cio_spark.results.tables import Tables

_IN_METADATA = tuple(name for name, fact in BATCH_FACTS.items() if fact.in_metadata)


def batches_of(statuses: DataFrame, *, error_threshold_percent: float, priority: str, strategy: str) -> DataFrame:
    """Build one row of `batch_operations` for each root batch.

    Args:
        statuses: rows of `record_status`; rows that never were in a batch are left out.
        error_threshold_percent: error rate above which a batch counts as failed.
        priority, strategy: settings of the sync, for `metadata`.
    """
    accepted = F.sum(F.when(F.col("status") == "accepted", 1).otherwise(0))
    batches = (
        statuses.where(F.col("batch_id").isNotNull())
        .groupBy("run_id", "sync", "operation_type", "batch_id")
        .agg(
            # The facts of a batch stand on only one of its records
            F.first("batch", ignorenulls=True).alias("batch"),
            F.count(F.lit(1)).alias("total"),
            accepted.alias("accepted"),
            F.array_sort(F.collect_set("error_category")).alias("categories"),
        )
    )
    failed = F.col("total") - F.col("accepted")
    error_rate = F.lit(100.0) * failed / F.col("total")
    seconds = (F.unix_micros("batch.completed_at") - F.unix_micros("batch.started_at")) / F.lit(1e6)
    # A table of an older version lacks the newest facts until it is set up again
    facts = statuses.schema["batch"].dataType
    known = frozenset(facts.names if isinstance(facts, T.StructType) else ())
    metadata: list[Column] = []
    for key, value in {
        "sync": F.col("sync"),
        "priority": F.lit(priority),
        "strategy": F.lit(strategy),
        **{name: F.col(f"batch.{name}").cast("string") for name in _IN_METADATA if name in known},
        "error_categories": F.when(F.size("categories") > 0, F.array_join("categories", ",")),
    }.items():
        metadata += [F.lit(key), value]
    return batches.select(
        F.col("run_id").alias("job_id"),
        "batch_id",
        "operation_type",
        F.when(error_rate > error_threshold_percent, "failed").otherwise("completed").alias("status"),
        F.col("total").cast("int").alias("total_records"),
        F.col("accepted").cast("int").alias("processed_records"),
        failed.cast("int").alias("failed_records"),
        seconds.alias("processing_time_seconds"),
        F.when(seconds > 0, F.col("accepted") / seconds).otherwise(0.0).alias("throughput_rps"),
        error_rate.alias("error_rate_percent"),
        F.col("batch.started_at").alias("started_at"),
        F.col("batch.completed_at").alias("completed_at"),
        F.map_filter(F.create_map(*metadata), lambda _, value: value.isNotNull()).alias("metadata"),
    )


def append_batch_operations(
    tables: Tables,
    sync: str,
    run_ids: Sequence[str],
    *,
    may_be_there: bool = False,
    error_threshold_percent: float,
    priority: str,
    strategy: str,
) -> None:
    """Append the batches of runs; the batches of a crashed run are added in this way, too.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        run_ids: ids of the runs.
        may_be_there: whether some of the batches may already be in the table, as those of an earlier run that may have
            come to this point; such batches are looked up and left out.
        error_threshold_percent, priority, strategy: see `batches_of`.
    """
    statuses = tables.read("record_status").where((F.col("sync") == sync) & F.col("run_id").isin(*run_ids))
    batches = batches_of(
        statuses, error_threshold_percent=error_threshold_percent, priority=priority, strategy=strategy
    )
    if may_be_there:
        known = tables.read("batch_operations", tables.version("batch_operations")).select("batch_id")
        batches = batches.join(known, "batch_id", "left_anti").select(batches.columns)
    tables.append("batch_operations", batches.coalesce(1))
