"""Reads a table or path at one pinned version, or a query or view staged once; drops superseded duplicates."""

from cio_spark.source.duplicates import count_superseded, drop_superseded, has_duplicates, order_columns, sort_value
from cio_spark.source.expression_check import cannot_fail, try_expressions
from cio_spark.source.null_on_failure import alone, caught
from cio_spark.source.reader import Snapshot, open_source

__all__ = [
    "Snapshot",
    "alone",
    "cannot_fail",
    "caught",
    "count_superseded",
    "drop_superseded",
    "has_duplicates",
    "open_source",
    "order_columns",
    "sort_value",
    "try_expressions",
]
