"""Keeps a few rows in the driver's memory, where a table for them would take longer than all that is done with them."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import types as T

from cio_spark.spark.versions import IS_SPARK_4, to_arrow

MOST_ROWS = 1_000
"""Rows that are kept in memory; more are written to a table."""


def rows_in_memory(rows: DataFrame, expected: int) -> DataFrame | None:
    """Read a few rows once, and return them as rows in the driver's memory.

    Args:
        rows: rows of types that `type_to_stage` finds.
        expected: about how many rows there are.

    Returns:
        The rows, with the same types and metadata. None if they are more than `MOST_ROWS`, or cannot be brought to the
        driver and back without a change.
    """
    schema = rows.schema
    # Spark 3.5 takes rows from the driver only by way of Python's values, which differ from Spark's
    if expected > MOST_ROWS or not IS_SPARK_4 or any(_has_variant(field.dataType) for field in schema):
        return None
    try:
        few = to_arrow(rows.limit(MOST_ROWS + 1))
    except Exception:  # such as rows too large for the driver: to write them to a table fails, too, or is right
        return None
    if few.num_rows > MOST_ROWS:
        return None
    # Without the schema, a wall-clock time would become an instant. The optimizer evaluates expressions on rows in
    # memory itself, also those of columns that nothing reads, but it does not reach through `coalesce`
    return rows.sparkSession.createDataFrame(few, schema).coalesce(1)


def _has_variant(kind: T.DataType) -> bool:
    return "variant" in kind.simpleString()
