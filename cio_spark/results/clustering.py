"""Sorts tables for look-ups, in maintenance only: a writer that sorts its rows may evaluate them twice.

An append to a table with `CLUSTER BY` may use a range shuffle, which samples its rows first and so would send a wave
twice (docs/decisions/0016-a-second-evaluation-is-refused.md).
"""

from __future__ import annotations

from datetime import datetime

from cio_spark.results.sync_runs import open_runs
from cio_spark.results.tables import Tables
from cio_spark.schemas import TABLES
from cio_spark.spark import failures as spark_errors

_ONCE_CLUSTERED = "DELTA_CLUSTERING_WITH_ZORDER_BY"


def sort_table(tables: Tables, table: str) -> None:
    """Compact a table, and sort it by the columns that look-ups use if Delta allows it.

    A clustered table is sorted by its clustering. A table that once was clustered keeps Delta's table feature for ever,
    so Delta refuses to sort it: it is only compacted.
    """
    optimize = f"OPTIMIZE {tables.name(table)}"
    columns = TABLES[table].sorted_by
    if columns:
        try:
            tables.spark.sql(f"{optimize} ZORDER BY ({', '.join(columns)})").collect()
        except Exception as error:
            if not spark_errors.error_class(error).startswith(_ONCE_CLUSTERED):
                raise
        else:
            return
    tables.spark.sql(optimize).collect()


def end_clustering(tables: Tables, *, now: datetime) -> list[str]:
    """End the clustering of tables that earlier versions made with `CLUSTER BY`, unless a run of any sync is open.

    A change of a table's properties makes an append fail that is under way, and so puts its wave in doubt.

    Args:
        tables: where the tables are.
        now: the current time.

    Returns:
        One line for each thing that was done, or left for later.
    """
    clustered = [table for table, layout in TABLES.items() if layout.sorted_by and _is_clustered(tables, table)]
    if not clustered:
        return []
    named = ", ".join(clustered)
    # Ask this last: a run that begins in the meantime must make its survey first, and so does not append yet
    if syncs := sorted({run.sync for run in open_runs(tables, now) if run.expires_at >= now}):
        return [f"left {named} clustered, for a run of {', '.join(syncs)} is open: run maintain again when none is"]
    try:
        for table in clustered:
            tables.spark.sql(f"ALTER TABLE {tables.name(table)} CLUSTER BY NONE").collect()
    except Exception as error:  # on some platforms only an owner may do it; the other maintenance must go on
        kind = spark_errors.error_class(error)
        return [f"could not end the clustering of {named} ({kind}): let their owner ALTER TABLE … CLUSTER BY NONE"]
    return [f"ended the clustering of {named}"]


def _is_clustered(tables: Tables, table: str) -> bool:
    """Tell whether a table is clustered, so that its rows may be clustered when they are written."""
    detail = tables.spark.sql(f"DESCRIBE DETAIL {tables.name(table)}").collect()[0].asDict()
    return bool(detail.get("clusteringColumns"))
