"""Finds, among all rows of a source, those that are not the same as when they were accepted, without building JSON."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, Observation
from pyspark.sql import functions as F

from cio_spark import ledger, planning
from cio_spark.config import SyncConfig
from cio_spark.payload import hash_columns
from cio_spark.pipeline.checks import prepare_and_validate
from cio_spark.pipeline.fingerprint import mapping_fingerprint
from cio_spark.pipeline.keys import KEY, Keys
from cio_spark.pipeline.mentioned_columns import mentioned_columns
from cio_spark.pipeline.observed_sums import observed_sums
from cio_spark.pipeline.scope_rows import record_id_of
from cio_spark.results import Staging
from cio_spark.spark.conf import read_setting
from cio_spark.spark.fixed_settings import settings_in_force
from cio_spark.spark.versions import from_arrow, to_arrow

MOST_HASHES = 2_000_000
"""Hashes of record ids, of 8 bytes each, that may be brought into the driver's memory; more are written to a table."""
DEFAULT_PARTITIONS = 200
"""Partitions of a shuffle by Spark's default."""
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


def source_hash(config: SyncConfig, rows: DataFrame) -> Column | None:
    """Return the hash of all columns of a row that decide about the bytes of its record; see `hash_columns`.

    Args:
        config: configuration of the sync; the session's settings are fixed for it.
        rows: rows of the source.
    """
    mentioned = set(mentioned_columns(config, rows.columns))
    fields = sorted((field for field in rows.schema.fields if field.name in mentioned), key=lambda field: field.name)
    spark = rows.sparkSession
    return hash_columns(mapping_fingerprint(config, settings_in_force(spark), spark.version, fields), fields)


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
        the rows that differ; None if all rows should be compared by their payloads: they cannot be hashed, no run has
        kept a hash, or most rows differ.
    """
    hashed = source_hash(config, rows)
    if hashed is None or not ledger.has_hashes(earlier, config.sync.name):
        return None
    source = rows.select(record_id_of(config, rows).alias("record_id"), hashed.alias("source_hash"))
    compared = ledger.compare_hashes(source, earlier, config.sync.name)
    differs = ~F.col("is_unchanged")
    sums = [
        F.sum("rows").alias("rows"),
        F.count_if("is_unchanged").alias("unchanged"),
        F.count_if(differs).alias("other_keys"),
        F.sum(F.when(differs, F.col("rows"))).alias("other_rows"),
    ]
    observation = Observation()
    few = to_arrow(_first_of_each_partition(_others(compared.observe(observation, *sums))))
    counted = observed_sums(observation, compared, sums)
    total, other_rows = counted["rows"] or 0, counted["other_rows"] or 0
    if other_rows > total * planning.MOST_CHANGED_SHARE:
        return None
    in_memory = few.num_rows == counted["other_keys"]
    keys = from_arrow(rows.sparkSession, few) if in_memory else staging.stage_hashes(_others(compared))
    # Rows without a record id have one key, so rows say more about the work than keys
    return ComparedSource(total, counted["unchanged"], Keys(keys, other_rows, in_memory, ledger.id_hash))


def _first_of_each_partition(keys: DataFrame) -> DataFrame:
    """Keep at most `MOST_HASHES` keys in all; a LIMIT could end the query before all rows have been counted."""
    try:
        partitions = int(read_setting(keys.sparkSession, "spark.sql.shuffle.partitions") or DEFAULT_PARTITIONS)
    except ValueError:  # Databricks knows the word `auto`
        partitions = DEFAULT_PARTITIONS
    place = F.monotonically_increasing_id().bitwiseAND(F.lit(2**_ROW_BITS - 1))
    return keys.withColumn("place", place).where(F.col("place") < max(1, MOST_HASHES // partitions)).select(KEY)


def _others(compared: DataFrame) -> DataFrame:
    return compared.where(~F.col("is_unchanged")).select(F.col(ledger.ID_HASH).alias(KEY))
