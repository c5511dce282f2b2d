"""Finds, among all rows of a source, those that are not the same as when they were accepted, without building JSON."""

from __future__ import annotations

from concurrent import futures
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from cio_spark import ledger
from cio_spark.config import SyncConfig
from cio_spark.payload import hash_columns
from cio_spark.pipeline.checks import in_background, prepare_and_validate
from cio_spark.pipeline.fingerprint import mapping_fingerprint
from cio_spark.pipeline.keys import KEY, Keys
from cio_spark.pipeline.mentioned_columns import mentioned_columns
from cio_spark.pipeline.scope_rows import record_id_of
from cio_spark.results import Staging
from cio_spark.spark.fixed_settings import settings_in_force
from cio_spark.spark.versions import from_arrow, to_arrow

OBSERVATION_SECONDS = 60.0
"""Longest wait for the sums of a query that has ended; then they are computed again."""
MOST_HASHES = 1_000_000
"""Hashes of record ids, of 8 bytes each, that are kept in the driver's memory; more are written to a table."""
LARGEST_SHARE = 1 / 3
"""If more of the rows differ, comparing them by their payloads costs less in all."""
# `monotonically_increasing_id` numbers the rows of a partition in its lower bits
_ROW_BITS = 33


@dataclass(frozen=True)
class ComparedSource:
    """Says which rows of a source differ from what was accepted.

    Attributes:
        rows: rows of the source.
        unchanged: rows that are the same as when their records were accepted, the newest attempt.
        others: keys of all other rows.
    """

    rows: int
    unchanged: int
    others: Keys


def source_hash(config: SyncConfig, rows: DataFrame) -> Column:
    """Return the hash of all columns of a row that decide about the bytes of its record.

    Args:
        config: configuration of the sync; the session's settings are fixed for it.
        rows: rows of the source.
    """
    mentioned = set(mentioned_columns(config, rows.columns))
    fields = sorted((field for field in rows.schema.fields if field.name in mentioned), key=lambda field: field.name)
    return hash_columns(mapping_fingerprint(config, settings_in_force(rows.sparkSession), fields), fields)


def prepare_with_hash(config: SyncConfig, rows: DataFrame) -> DataFrame:
    """Prepare and validate one record for every source row, with the hash of the columns that its payload is made of.

    Arguments and errors are those of `prepare_and_validate`.
    """
    return prepare_and_validate(config, rows, source_hash(config, rows))


def compare_source(config: SyncConfig, rows: DataFrame, earlier: DataFrame, staging: Staging) -> ComparedSource | None:
    """Compare all rows of a source with the ledger by their hashes.

    Args:
        config: configuration of the sync, whose expressions have other results only if a row or the session's settings
            change.
        rows: rows of the pinned source.
        earlier: `record_status` at a pinned version.
        staging: table for the keys of rows that differ if they are many.

    Returns:
        the rows that differ; None if they are so many that all rows should be compared by their payloads.
    """
    hashed = rows.select(record_id_of(config, rows).alias("record_id"), source_hash(config, rows).alias("source_hash"))
    compared = ledger.compare_hashes(hashed, earlier, config.sync.name)
    sums = [
        F.sum("rows").alias("rows"),
        F.count_if("is_unchanged").alias("unchanged"),
        F.count_if(~F.col("is_unchanged")).alias("others"),
    ]
    observation = Observation()
    others = _others(compared.observe(observation, *sums))
    # Not a LIMIT: it could end the query before all rows have been counted
    place = F.monotonically_increasing_id().bitwiseAND(F.lit(2**_ROW_BITS - 1))
    few = to_arrow(others.withColumn("place", place).where(F.col("place") < MOST_HASHES).select(KEY))
    try:
        # Spark hands the sums over by an event, which it drops if its queue is full
        counted = in_background(rows.sparkSession, lambda: observation.get).result(OBSERVATION_SECONDS)
    except futures.TimeoutError:  # another class than TimeoutError before Python 3.11
        counted = compared.agg(*sums).collect()[0].asDict()
    total, different = counted["rows"] or 0, counted["others"]
    if different > total * LARGEST_SHARE:
        return None
    in_memory = few.num_rows == different <= MOST_HASHES
    keys = from_arrow(rows.sparkSession, few) if in_memory else staging.stage_keys(_others(compared))
    return ComparedSource(total, counted["unchanged"], Keys(keys, different, in_memory, ledger.id_hash))


def _others(compared: DataFrame) -> DataFrame:
    return compared.where(~F.col("is_unchanged")).select(F.col(ledger.ID_HASH).alias(KEY))
