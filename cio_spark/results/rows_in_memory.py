"""Keeps a few rows in memory, where to read them from a table takes longer than all that is done with them."""

from __future__ import annotations

import pyarrow as pa
from pyspark.sql import DataFrame

from cio_spark.spark.versions import IS_SPARK_4, to_arrow

MOST_ROWS = 1_000
MOST_BYTES = 1_000_000
"""Bytes of rows, as Arrow, that are kept in memory: Spark puts the rows into each plan and task that reads them."""
_UNSAFE = ("variant", "map<")
"""Types that not all versions of pyspark and pyarrow bring back as they were: null maps may become empty maps."""


def rows_in_memory(rows: DataFrame, expected: int) -> DataFrame | None:
    """Read a few rows once, and return them as rows in the driver's memory.

    Args:
        rows: rows of types that `type_to_stage` finds.
        expected: about how many rows there are.

    Returns:
        The rows, with the same types and metadata. None if they are more than `MOST_ROWS` or `MOST_BYTES`, or may not
        come back from the driver as they were.
    """
    schema = rows.schema
    types = [field.dataType.simpleString() for field in schema]
    # Spark 3.5 takes rows from the driver only by way of Python's values, which differ from Spark's
    if expected > MOST_ROWS or not IS_SPARK_4 or any(word in text for text in types for word in _UNSAFE):
        return None
    try:
        few = to_arrow(rows.limit(MOST_ROWS + 1))
    except Exception as error:
        if "maxResultSize" not in str(error):
            raise
        return None
    if few.num_rows > MOST_ROWS or few.nbytes > MOST_BYTES:
        return None
    # Without the schema, a wall-clock time would become an instant. The optimizer evaluates a projection of rows in
    # memory itself, also columns that nothing reads, but not through `coalesce`
    try:
        return rows.sparkSession.createDataFrame(few, schema).coalesce(1)
    except pa.ArrowException:
        return None
