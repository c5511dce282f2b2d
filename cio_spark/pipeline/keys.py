"""Keeps the keys that a run looks at, in memory if they are few, else in a table."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark.results import Staging
from cio_spark.spark.versions import from_arrow, to_arrow

MOST_IN_MEMORY = 50_000
"""Keys, and their rows of the ledger, that are kept in the driver's memory; more are written to a table."""
KEY = "cio_spark_key"
_NO_ID = "\0"


@dataclass(frozen=True)
class Keys:
    """Holds the records that a run looks at; the rows without a record id have one key.

    Attributes:
        rows: the keys, in the column `KEY`.
        count: number of keys, or of their source rows.
        are_in_memory: whether `rows` are in the driver's memory, and not in a table.
        key: makes the key of a record id.
    """

    rows: DataFrame
    count: int
    are_in_memory: bool
    key: Callable[[Column], Column]

    @property
    def are_few(self) -> bool:
        """Tell whether what is known about each key fits into the driver's memory."""
        return self.count <= MOST_IN_MEMORY

    def keep(self, rows: DataFrame, record_id: Column) -> DataFrame:
        """Keep the rows whose record id is one of the keys.

        Args:
            rows: rows of any table.
            record_id: their record id.
        """
        if not self.count:
            return rows.where(F.lit(False))
        keys = F.broadcast(self.rows) if self.are_in_memory else self.rows
        return rows.join(keys, self.key(record_id) == keys[KEY], "left_semi")

    def without(self, rows: DataFrame, record_id: Column) -> DataFrame:
        """Return the keys, in the column `KEY`, that are the record id of none of the rows.

        Args:
            rows: rows of any table.
            record_id: their record id.
        """
        return self.rows.join(
            rows.select(self.key(record_id).alias("found")), F.col(KEY) == F.col("found"), "left_anti"
        )


def key_of(record_id: Column) -> Column:
    """Return the key of a record id; all rows without a record id have one key."""
    return F.coalesce(record_id, F.lit(_NO_ID))


def keep_keys(keys: DataFrame, staging: Staging | None, *, expected: int = 0) -> Keys:
    """Evaluate keys once.

    Args:
        keys: the keys, in the column `KEY`, each once.
        staging: table for the keys if they are many; None to write nothing.
        expected: number of keys as far as it is known.
    """
    if expected <= MOST_IN_MEMORY:
        few = to_arrow(keys.limit(MOST_IN_MEMORY + 1))
        if few.num_rows <= MOST_IN_MEMORY:
            return Keys(from_arrow(keys.sparkSession, few), few.num_rows, True, key_of)
    kept = keys if staging is None else staging.stage_keys(keys)
    return Keys(kept, kept.count(), False, key_of)


def no_keys(spark: SparkSession) -> Keys:
    """Return the keys of a run that looks at nothing."""
    return Keys(spark.createDataFrame([], f"{KEY} STRING"), 0, True, key_of)
