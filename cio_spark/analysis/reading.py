"""Reads the rows of the views for a sync; the terminal tables and the report both use them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from types import MappingProxyType

from pyspark.sql import Column, DataFrame, Row
from pyspark.sql import functions as F

from cio_spark.analysis.view_queries import VIEWS, query_of
from cio_spark.results import Tables
from cio_spark.results.views import STATE_VIEWS, create_view, state_query

MOST_ROWS = 1_000
_AT_A_TIME = 4


def create_analysis_views(tables: Tables) -> None:
    """Create or update the views; the tables and `sync_run_state` must exist.

    Args:
        tables: access to the Delta tables.
    """
    for name, view in VIEWS.items():
        query = query_of(name, tables.name, nested=False)
        create_view(tables, name, query, view.meaning)


def read_view(tables: Tables, view: str) -> DataFrame:
    """Return the rows of a view by running its query, so that the view itself need not exist.

    Args:
        tables: access to the Delta tables.
        view: name of the view in `VIEWS`.
    """

    def part(name: str) -> str:
        return f"({state_query(tables, name)})" if name in STATE_VIEWS else tables.name(name)

    return tables.spark.sql(query_of(view, part, nested=True))


@dataclass(frozen=True)
class Analysis:
    """Holds the rows of the views for a sync; each attribute has the name of its view.

    Attributes:
        sync: name of the sync; None for all syncs of the tables.
        sync_performance: figures over the whole history.
        performance_by_operation: the notebook's summary.
        hourly_trends: figures of the requested hours, oldest first.
        run_performance, run_books: figures by run, newest run first.
        error_categories: reasons of the runs in `run_books`, newest run first, within a run most records first.
        slowest_batches, worst_batches: batches by sync and rank.
    """

    sync: str | None
    sync_performance: list[Row]
    performance_by_operation: list[Row]
    hourly_trends: list[Row]
    run_performance: list[Row]
    run_books: list[Row]
    error_categories: list[Row]
    slowest_batches: list[Row]
    worst_batches: list[Row]


_ORDERS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "sync_performance": ("sync", "operation_type"),
        "performance_by_operation": ("sync", "operation_type", "status"),
        "hourly_trends": ("hour DESC", "sync DESC", "operation_type DESC"),
        "run_performance": ("run_id DESC",),
        "run_books": ("run_id DESC",),
        "error_categories": ("run_id DESC", "records DESC", "status", "error_category", "error_code"),
        "slowest_batches": ("sync", "rank"),
        "worst_batches": ("sync", "rank"),
    }
)


def analyze_sync(tables: Tables, sync: str | None, *, since: datetime, runs: int = 10) -> Analysis:
    """Read the rows of all views for a sync.

    Args:
        tables: access to the Delta tables, which must exist.
        sync: name of the sync; None for all syncs and for batches written by hand.
        since: time of the first hourly trend.
        runs: number of newest runs whose performance, books and errors are read.
    """
    books = _of(tables, "run_books", sync).orderBy(F.expr("run_id").desc()).limit(runs).collect()
    run_ids = [row["run_id"] for row in books]
    frames = {name: _of(tables, name, sync) for name in _ORDERS if name != "run_books"}
    frames["hourly_trends"] = frames["hourly_trends"].where(F.col("hour") >= F.lit(since))
    frames["error_categories"] = frames["error_categories"].where(F.col("run_id").isin(*run_ids))
    frames["run_performance"] = frames["run_performance"].orderBy(F.col("run_id").desc()).limit(runs)

    def read(name: str) -> list[Row]:
        rows = frames[name].orderBy(*[_sort(order) for order in _ORDERS[name]]).limit(MOST_ROWS).collect()
        # The newest hours are kept, and shown oldest first
        return rows[::-1] if name == "hourly_trends" else rows

    # The queries are small and their cost is mostly planning, so several run at a time
    with ThreadPoolExecutor(max_workers=_AT_A_TIME) as pool:
        rows = dict(zip(frames, pool.map(read, frames), strict=True))
    return Analysis(sync=sync, run_books=books, **rows)


def _of(tables: Tables, view: str, sync: str | None) -> DataFrame:
    rows = read_view(tables, view)
    return rows if sync is None else rows.where(F.col("sync") == sync)


def _sort(order: str) -> Column:
    name, _, direction = order.partition(" ")
    return F.col(name).desc() if direction else F.col(name)
