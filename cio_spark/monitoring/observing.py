"""Reads the facts about a sync from the tables, also while a run is at work: runs, batches and dead letters."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.analysis.figures import BATCH, GROUP, select
from cio_spark.analysis.view_queries import BATCH_COLUMNS
from cio_spark.clock import LARGEST_CLOCK_DIFFERENCE
from cio_spark.config import SyncConfig
from cio_spark.coverage import Scope
from cio_spark.errors import ExitStatus
from cio_spark.model import RunKind
from cio_spark.monitoring.observed import Observed, RunFacts, Window
from cio_spark.results import RunHistory, RunState, Tables, read_history
from cio_spark.results.batch_operations import batches_of
from cio_spark.schemas import RECORD_KEY_SQL

MOST_RUNS = 20
MOST_WHOLE_RUNS = 8
_PLACES = ("run_id", "slowest_batch_id")


def observe_sync(
    tables: Tables,
    config: SyncConfig,
    *,
    now: datetime,
    minutes: int | None = None,
    history: RunHistory | None = None,
) -> Observed:
    """Read the facts about one sync.

    Args:
        tables: access to the Delta tables, which must exist.
        config: configuration of the sync.
        now: present time in UTC.
        minutes: length of the window in minutes; None for the configuration's.
        history: the runs of the sync if they are known; None to read them.
    """
    since = now - timedelta(minutes=minutes or config.monitoring.window_minutes)
    # The queries are small and their cost is mostly planning, so they run at the same time
    with ThreadPoolExecutor(max_workers=2) as pool:
        letters = pool.submit(_count_letters, tables, config.sync.name, config.monitoring.most_dead_letters)
        states = (history or read_history(tables, config.sync.name, now)).runs
        runs = _newest(states)
        window = _read_window(tables, config, runs, since)
    return Observed(now, since, window, runs, letters.result())


def _newest(states: Sequence[RunState]) -> tuple[RunFacts, ...]:
    """Return the newest runs, newest first, and further back those that saw all rows: most runs see only changes."""
    facts = [_facts(run) for run in reversed(states)]
    older = [run for run in facts[MOST_RUNS:] if run.saw_all and run.source_rows is not None and not run.replay]
    return (*facts[:MOST_RUNS], *older[:MOST_WHOLE_RUNS])


def _facts(run: RunState) -> RunFacts:
    counts = run.counts
    source_rows = None if counts is None else counts["source_rows"]
    return RunFacts(
        run_id=run.run_id,
        status=run.status,
        started_at=run.started_at,
        ended_at=run.ended_at,
        claim_expires_at=run.claimed_until,
        exit_status=run.exit_status,
        error=run.error,
        source_rows=source_rows,
        accounted_rows=run.accounted_rows,
        balanced=_balanced(run, source_rows),
        replay=run.kind == RunKind.REPLAY.value,
        limited=run.kind == RunKind.LIMITED.value,
        saw_all=run.scope in (None, Scope.FULL.value),
        fell_back=run.fell_back,
        requests=None if counts is None else counts["requests"],
    )


def _balanced(run: RunState, source_rows: int | None) -> bool | None:
    """Return the figure `balanced` of `analysis.figures` for a run."""
    if source_rows is None:
        return None
    if source_rows == run.accounted_rows:
        return True
    return None if run.exit_status in (None, ExitStatus.INTERNAL_ERROR, ExitStatus.CONFIGURATION_ERROR) else False


def _read_window(tables: Tables, config: SyncConfig, runs: Sequence[RunFacts], since: datetime) -> Window:
    """Return the figures of the batches completed after `since`; work before `since` is left out of their busy time."""
    recent = [run for run in runs if run.ended_at is None or run.ended_at >= since - LARGEST_CLOCK_DIFFERENCE]
    if all(run.requests == 0 for run in recent):  # no run in the window has a batch
        return Window()
    # Let Delta skip the files of older runs, unless there may be more recent runs than were read
    oldest = min(run.run_id for run in recent) if len(recent) < MOST_RUNS else ""
    # A sync's run with books has filled batch_operations also for the lost runs before it
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
    """Return the sync's rows of `batch_operations`, and the rows that the committed waves of unfinished runs will add.

    Args:
        tables: access to the Delta tables.
        config: configuration of the sync.
        oldest: id of the oldest run to include; empty for all.
        unfinished: ids of the runs without books, whose statuses are read.
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
    # A run fills batch_operations before it writes its books, so a batch may be in both
    return settled.unionByName(under_way).dropDuplicates(["batch_id"])


def _count_letters(tables: Tables, sync: str, most: int) -> int:
    """Count the records that wait for a replay, or all letters if these are at most `most`.

    A record waits if its newest dead letter is newer than its last acceptance. As in a replay, a record that our own
    validation refused does not wait: only a change of the source can correct it.
    """
    if tables.is_untouched("dead_letters"):
        return 0
    letters = tables.read("dead_letters").where((F.col("sync") == sync) & F.col("message_id").isNotNull())
    everything = letters.count()
    if everything <= most:
        return everything
    key = F.expr(RECORD_KEY_SQL)
    newest = letters.groupBy(key.alias("key")).agg(F.max("run_id").alias("run_id"))
    accepted = (
        tables.read("record_status")
        .where((F.col("sync") == sync) & (F.col("status") == "accepted"))
        .select(key.alias("key"), F.col("run_id").alias("accepted_in"))
    )
    later = (newest["key"] == accepted["key"]) & (accepted["accepted_in"] > newest["run_id"])
    return newest.join(accepted, later, "left_anti").count()
