"""Reads a table or path at one pinned version, or a query or view that is staged once; drops superseded duplicates."""

from cio_spark.source.changes import read_changes
from cio_spark.source.duplicates import (
    IdCount,
    count_ids,
    count_superseded,
    drop_superseded,
    has_duplicates,
    order_columns,
    sort_value,
)
from cio_spark.source.expression_check import cannot_fail, try_expressions
from cio_spark.source.null_on_failure import null_on_failure, without_common_subexpressions
from cio_spark.source.reader import Snapshot, open_source

__all__ = [
    "IdCount",
    "Snapshot",
    "cannot_fail",
    "count_ids",
    "count_superseded",
    "drop_superseded",
    "has_duplicates",
    "null_on_failure",
    "open_source",
    "order_columns",
    "read_changes",
    "sort_value",
    "try_expressions",
    "without_common_subexpressions",
]
