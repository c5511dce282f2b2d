"""Reads a table or path at one pinned version, or a query or view staged once; drops superseded duplicates."""

from cio_spark.source.duplicates import count_superseded, drop_superseded, has_duplicates, with_order
from cio_spark.source.reader import Snapshot, open_source

__all__ = ["Snapshot", "count_superseded", "drop_superseded", "has_duplicates", "open_source", "with_order"]
