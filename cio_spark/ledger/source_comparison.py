"""Compares source rows with the ledger by their hashes: 8 bytes for a record id, 8 bytes for the mapped columns.

No JSON is built, and only numbers are shuffled and folded: Spark sorts to fold texts
(docs/decisions/0024-source-hash.md).
"""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cio_spark.fold import ACCEPTED, ATTEMPTED
from cio_spark.ids import CROCKFORD, TIME_CHARACTERS

ID_HASH = "id_hash"
"""Column with the hash of a record id."""


def id_hash(record_id: Column) -> Column:
    """Return the 64-bit hash of a record id; all rows without a record id have one hash."""
    return F.xxhash64(record_id.isNull(), record_id)


def has_hashes(record_status: DataFrame, sync: str) -> bool:
    """Tell whether a run of the sync has kept a hash of a row.

    Args:
        record_status: the table at a pinned version.
        sync: name of the sync.
    """
    return not record_status.where((F.col("sync") == sync) & F.col("source_hash").isNotNull()).limit(1).isEmpty()


def compare_hashes(source: DataFrame, record_status: DataFrame, sync: str) -> DataFrame:
    """Find the source rows that are the same as when their records were last accepted.

    Args:
        source: `record_id` STRING and `source_hash` BIGINT of all source rows.
        record_status: the table at a pinned version.
        sync: name of the sync.

    Returns:
        one row for each hash of a record id that the source has, with `ID_HASH`, `rows` (its number of source rows) and
        `is_unchanged`: there is one source row, the newest attempt of its record was accepted, and the hash of its
        columns was the same then. Two records whose ids have the same hash count as two rows of one record.
    """
    none = F.lit(None).cast("bigint")
    rows = source.select(
        id_hash(F.col("record_id")).alias(ID_HASH),
        F.when(F.col("record_id").isNotNull(), F.col("source_hash")).alias("source_hash"),
        F.lit(1).alias("rows"),
        none.alias("run"),
        none.alias("accepted_hash"),
    )
    attempts = _numbered_attempts(record_status.where(F.col("sync") == sync)).select(
        id_hash(F.col("record_id")).alias(ID_HASH),
        none.alias("source_hash"),
        F.lit(0).alias("rows"),
        "run",
        F.when(F.expr(ACCEPTED), F.col("source_hash")).alias("accepted_hash"),
    )
    return (
        # Without it, Spark would first fold each partition of the input, in which every record is alone
        rows.unionAll(attempts)
        .repartition(ID_HASH)
        .groupBy(ID_HASH)
        .agg(
            F.sum("rows").alias("rows"),
            F.max("source_hash").alias("source_hash"),
            F.max_by("accepted_hash", "run").alias("accepted_hash"),
        )
        .where(F.col("rows") > 0)
        .select(
            ID_HASH,
            "rows",
            F.coalesce((F.col("rows") == 1) & (F.col("source_hash") == F.col("accepted_hash")), F.lit(False)).alias(
                "is_unchanged"
            ),
        )
    )


def _numbered_attempts(statuses: DataFrame) -> DataFrame:
    """Return the rows whose record was sent in a request, with `run`: a number that rises from run to run."""
    numbers = statuses.select("run_id").distinct().withColumn("run", _run_number())
    attempts = statuses.where(F.expr(ATTEMPTED) & F.col("record_id").isNotNull())
    return attempts.join(F.broadcast(numbers), "run_id")


def _run_number() -> Column:
    """Return the time part of `run_id` as a number; within a sync it rises from run to run (`ids.new_run_id`)."""
    places = range(1, TIME_CHARACTERS + 1)
    digits = [F.expr(f"CAST(instr('{CROCKFORD}', substring(run_id, {place}, 1)) - 1 AS BIGINT)") for place in places]
    return reduce(lambda number, digit: number * 32 + digit, digits, F.lit(0).cast("bigint"))
