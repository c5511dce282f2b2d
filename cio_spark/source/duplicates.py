"""Keeps one of several rows with one record id: the first by `order_by`, else the newest.

Of rows that are still equal, it keeps the one with the smallest payload hash.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from cio_spark.errors import ConfigurationError
from cio_spark.schemas import ORDER_PREFIX
from cio_spark.spark import sql as users_sql
from cio_spark.spark.expression_types import UnfitExpressionError, fixed_value_type


def order_columns(rows: DataFrame, order_by: Sequence[str]) -> list[Column]:
    """Make the columns that rank duplicates.

    They pass along with the prepared records, so they never stand beside the user's own columns.

    Args:
        rows: rows of the source.
        order_by: SQL sort expressions.

    Raises:
        ConfigurationError: Spark refuses an expression, or it is not a fixed value of one row.
    """
    columns: list[Column] = []
    for index, text in enumerate(order_by):
        sql = sort_value(text)
        try:
            fixed_value_type(rows, sql, rows.columns)
        except UnfitExpressionError as error:
            raise ConfigurationError.of("source.order_by", str(error)) from None
        columns.append(F.expr(sql).alias(f"{ORDER_PREFIX}{index}"))
    return columns


def sort_value(text: str) -> str:
    """Return a sort expression without its direction."""
    return users_sql.read_sort_key(text).sql


def _sort_keys(order_by: Sequence[str]) -> list[Column]:
    keys: list[Column] = []
    for index, text in enumerate(order_by):
        key = users_sql.read_sort_key(text)
        column = F.col(f"{ORDER_PREFIX}{index}")
        ordered = {
            (False, None): column.asc,
            (False, True): column.asc_nulls_first,
            (False, False): column.asc_nulls_last,
            (True, None): column.desc,
            (True, True): column.desc_nulls_first,
            (True, False): column.desc_nulls_last,
        }[(key.descending, key.nulls_first)]
        keys.append(ordered())
    return [*keys, F.col("occurred_at").desc_nulls_last(), F.col("payload_hash")]


class IdCount(NamedTuple):
    """Counts rows and their record ids.

    Attributes:
        rows: number of rows.
        with_id: number of rows that have a record id.
        ids: number of different record ids, told apart by a 64-bit hash.
    """

    rows: int
    with_id: int
    ids: int

    @property
    def has_duplicates(self) -> bool:
        """Tell whether a record id may occur in more than one row.

        The answer False is exact; True is wrong only if two ids have the same 64-bit hash.
        """
        return self.with_id != self.ids


def count_ids(records: DataFrame) -> IdCount:
    """Count the rows of records and their record ids in one pass.

    Only 8-byte hashes are shuffled, so that the usual source, which has no duplicates, needs no shuffle of payloads
    (docs/decisions/0002-first-run-without-a-shuffle-for-duplicates.md).
    """
    hashes = records.select(F.xxhash64("record_id").alias("id"), F.col("record_id").isNotNull().alias("has_id"))
    row = hashes.agg(
        F.count(F.lit(1)).alias("rows"),
        F.count_if("has_id").alias("with_id"),
        F.countDistinct(F.when(F.col("has_id"), F.col("id"))).alias("ids"),
    ).collect()[0]
    return IdCount(row["rows"], row["with_id"], row["ids"])


def has_duplicates(records: DataFrame) -> bool:
    """Tell whether a record id may occur in more than one row; see `IdCount.has_duplicates`."""
    return count_ids(records).has_duplicates


def _ranked(records: DataFrame, order_by: Sequence[str]) -> DataFrame:
    window = Window.partitionBy("record_id").orderBy(*_sort_keys(order_by))
    return records.withColumn("__rank", F.row_number().over(window))


def drop_superseded(records: DataFrame, order_by: Sequence[str]) -> DataFrame:
    """Keep one row of each record id; keep all rows without a record id, because validation refuses them."""
    return _ranked(records, order_by).where((F.col("__rank") == 1) | F.col("record_id").isNull()).drop("__rank")


def count_superseded(records: DataFrame, order_by: Sequence[str]) -> int:
    """Count the rows that `drop_superseded` drops."""
    return _ranked(records, order_by).where((F.col("__rank") > 1) & F.col("record_id").isNotNull()).count()
