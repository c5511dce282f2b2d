"""Looks at the tables: the newest runs, the batches of the window, dead letters. Also while a run is at work."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from pyspark.sql import DataFrame, Row
from pyspark.sql import functions as F

from cio_spark.analysis.figures import BATCH, GROUP, select
from cio_spark.analysis.reading import read_view
from cio_spark.analysis.view_queries import BATCH_COLUMNS
from cio_spark.clock import CLOCKS_NEVER_DIFFER, as_utc
from cio_spark.config import SyncConfig
from cio_spark.model import RunKind
from cio_spark.monitoring.observed import Observed, RunFacts, Window
from cio_spark.results import Tables
from cio_spark.results.batch_operations import batches_of
from cio_spark.schemas import RECORD_KEY

MOST_RUNS = 20
_PLACES = ("run_id", "slowest_batch_id")


def observe_sync(tables: Tables, config: SyncConfig, *, now: datetime, minutes: int | None = None) -> Observed:
    """Looks at one sync.

    Args:
        tables: where the tables are; they must exist.
        config: the sync.
        now: UTC.
        minutes: length of the window; None: the configuration's.
    """
    since = now - timedelta(minutes=minutes or config.monitoring.window_minutes)
    # Small queries whose cost is mostly planning: at the same time
    with ThreadPoolExecutor(max_workers=2) as pool:
        letters = pool.submit(_count_letters, tables, config.sync.name, config.monitoring.most_dead_letters)
        runs = _read_runs(tables, config.sync.name)
        window = _read_window(tables, config, runs, since)
    return Observed(now, since, window, runs, letters.result())


def _read_runs(tables: Tables, sync: str) -> tuple[RunFacts, ...]:
    books = read_view(tables, "run_books").where(F.col("sync") == sync)
    return tuple(_facts(row) for row in books.orderBy(F.col("run_id").desc()).limit(MOST_RUNS).collect())


def _facts(row: Row) -> RunFacts:
    return RunFacts(
        run_id=row["run_id"],
        status=row["status"],
        started_at=as_utc(row["started_at"]),
        ended_at=row["ended_at"] and as_utc(row["ended_at"]),
        claim_expires_at=row["claim_expires_at"] and as_utc(row["claim_expires_at"]),
        exit_status=row["exit_status"],
        error=row["error"],
        source_rows=row["source_rows"],
        accounted_rows=row["accounted_rows"],
        balanced=row["balanced"],
        replay=row["kind"] == RunKind.REPLAY.value,
        limited=row["kind"] == RunKind.LIMITED.value,
    )


def _read_window(tables: Tables, config: SyncConfig, runs: Sequence[RunFacts], since: datetime) -> Window:
    """The figures of batches completed since; what one did before that does not count as work of the window."""
    recent = [run for run in runs if run.ended_at is None or run.ended_at >= since - CLOCKS_NEVER_DIFFER]
    if not recent:
        return Window()
    # Files of older runs are skipped, unless there may be more recent runs than were read
    oldest = min(run.run_id for run in recent) if len(recent) < MOST_RUNS else ""
    # Older runs without books were settled by the one that has them
    unfinished = [run.run_id for run in takewhile(lambda run: run.balanced is None, runs)]
    begin = F.lit(since)
    batches = (
        _batches(tables, config, oldest, unfinished)
        .where(F.col("completed_at") >= begin)
        .withColumn("started_at", F.greatest("started_at", begin))
        .withColumn("sync", F.lit(config.sync.name))
    )
    names = [field.name for field in fields(Window) if field.name not in _PLACES]
    row = (
        batches.selectExpr(*BATCH_COLUMNS)
        .selectExpr(
            *select(GROUP, names),
            "max_by(job_id, processing_time_seconds) AS run_id",
            "max_by(batch_id, processing_time_seconds) AS slowest_batch_id",
        )
        .collect()[0]
    )
    values: dict[str, Any] = {name: row[name] if row[name] is not None else 0 for name in names}
    return Window(**values, **{name: row[name] for name in _PLACES})


def _batches(tables: Tables, config: SyncConfig, oldest: str, unfinished: list[str]) -> DataFrame:
    """The sync's rows of `batch_operations`, and those it will get from the waves that unfinished runs have committed.

    Args:
        tables: where the tables are.
        config: the sync.
        oldest: runs before this one are left out.
        unfinished: runs without books; only their statuses are read.
    """
    sync = config.sync.name
    settled = tables.read("batch_operations").where((F.expr(BATCH["sync"].sql) == sync) & (F.col("job_id") >= oldest))
    if not unfinished:
        return settled
    statuses = tables.read("record_status").where((F.col("sync") == sync) & F.col("run_id").isin(*unfinished))
    under_way = batches_of(
        statuses,
        error_threshold_percent=config.error_threshold_percent,
        priority=config.sync.priority.value,
        strategy=config.batch.strategy.value,
    )
    # A run fills batch_operations before it writes its books
    return settled.unionByName(under_way).dropDuplicates(["batch_id"])


def _count_letters(tables: Tables, sync: str, most: int) -> int:
    """Records whose newest dead letter is newer than their last acceptance; all letters, if they are few anyway.

    As in a replay, what our own validation refused does not wait: only the source can mend it.
    """
    letters = tables.read("dead_letters").where((F.col("sync") == sync) & F.col("message_id").isNotNull())
    everything = letters.count()
    if everything <= most:
        return everything
    key = F.expr(RECORD_KEY)
    newest = letters.groupBy(key.alias("key")).agg(F.max("run_id").alias("run_id"))
    accepted = (
        tables.read("record_status")
        .where((F.col("sync") == sync) & (F.col("status") == "accepted"))
        .select(key.alias("key"), F.col("run_id").alias("accepted_in"))
    )
    later = (newest["key"] == accepted["key"]) & (accepted["accepted_in"] > newest["run_id"])
    return newest.join(accepted, later, "left_anti").count()
