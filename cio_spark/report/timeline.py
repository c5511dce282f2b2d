"""Computes the views' figures of a run by slices of time, and counts its batches by how full they were."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cio_spark.analysis.figures import GROUP
from cio_spark.analysis.findings import Findings
from cio_spark.analysis.reading import read_view
from cio_spark.results.tables import Tables

MOST_SLICES: Final = 60
TENTHS: Final = 10
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400)
# No rates: busy seconds belong to whole batches, which overlap slices, so rates of short slices would be wrong
_FIGURES = (
    *("batch_count", "accepted_records", "failed_records", "requests"),
    *("request_time_p50_seconds", "request_time_p95_seconds", "request_time_p99_seconds", "throttled_seconds"),
    *("records_per_batch", "limit_records_least", "limit_records_most"),
)


@dataclass(frozen=True)
class Timeline:
    """Holds the figures of a run by slices of time.

    Attributes:
        step_seconds: length of a slice, in seconds.
        rows: one row for each slice in which batches were completed: `slice` (its begin) and the figures of these
            batches.
    """

    step_seconds: int
    rows: list[Any]


NO_TIMELINE: Final = Timeline(1, [])


def read_timeline(tables: Tables, run: Any) -> Timeline:
    """Read the figures of a run in at most 60 slices of time.

    Args:
        tables: access to the Delta tables.
        run: row of the run in `run_performance`.
    """
    first, last = run["first_started_at"], run["last_completed_at"]
    seconds = (last - first).total_seconds() if first is not None and last is not None else 0.0
    step = next((step for step in _STEPS if seconds / step <= MOST_SLICES - 1), _STEPS[-1])
    begin = F.timestamp_seconds(F.floor(F.unix_micros("completed_at") / F.lit(1e6) / step) * step)
    figures = [F.expr(GROUP[name].sql).alias(name) for name in _FIGURES]
    batches = _batches(tables, run).where(F.col("completed_at").isNotNull())
    return Timeline(step, batches.groupBy(begin.alias("slice")).agg(*figures).orderBy("slice").collect())


def read_fill(tables: Tables, findings: Findings) -> list[Any]:
    """Count a run's batches by how full they were.

    Args:
        tables: access to the Delta tables.
        findings: the run and its limits.

    Returns:
        one row for each tenth of the limits that has batches: `tenth` (0 to 9, full ones in 9), `by_records` and
        `by_bytes`, both counts of batches.
    """
    batches = _batches(tables, findings.run)
    most_records, most_bytes = findings.ran_with.max_batch_size, findings.most_bytes
    limits = {"by_records": ("total_records", most_records), "by_bytes": ("bytes", most_bytes)}
    tenths = [
        batches.select(_tenth(column, limit).alias("tenth"), F.lit(name).alias("kind"))
        for name, (column, limit) in limits.items()
    ]
    both = tenths[0].unionAll(tenths[1]).where(F.col("tenth").isNotNull())
    counts = [F.count_if(F.col("kind") == name).alias(name) for name in limits]
    return both.groupBy("tenth").agg(*counts).orderBy("tenth").collect()


def _tenth(column: str, limit: int) -> Column:
    return F.least(F.lit(TENTHS - 1), F.floor(F.col(column) * F.lit(TENTHS) / F.lit(limit))).cast("int")


def _batches(tables: Tables, run: Any) -> DataFrame:
    mine = (F.col("sync") == run["sync"]) & (F.col("job_id") == run["run_id"])
    return read_view(tables, "batch_performance").where(mine)
