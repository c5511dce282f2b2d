"""Keeps the tables small: drops old history, compacts and sorts, vacuums, sweeps staging that a dead run has left."""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timedelta

from pyspark.sql import functions as F

from cio_spark.clock import as_utc
from cio_spark.ids import smallest_run_id
from cio_spark.results.clustering import end_clustering, sort_table
from cio_spark.results.tables import Tables
from cio_spark.results.thinning import (
    drop_old_alerts,
    drop_old_letters,
    drop_old_runs,
    drop_old_statuses,
    drop_settled_letters,
)
from cio_spark.schemas import TABLES
from cio_spark.spark.sql import quoted

_STAGING = re.compile(r"^staging_(?P<run>[0-9a-z]{26})_(rows|waves)$")


def maintain_tables(
    tables: Tables, *, keep_days: int, now: datetime, sync: str, letters_keep_days: int | None = None
) -> list[str]:
    """Do everything, oldest history first; safe to run at any time, best while no sync runs.

    Args:
        tables: where the tables are.
        keep_days: history that is kept, in days. Of every record the last row, the last one that was attempted and the
            last accepted one are kept for ever; so is the newest run of every sync. What a run that died has staged is
            kept so long for the run that recovers it, of a retired sync too.
        now: the time.
        sync: the sync whose old dead letters go.
        letters_keep_days: how long its dead letters are kept, in days; None: until their records are accepted.

    Returns:
        what was done, a line each.
    """
    since = now - timedelta(days=keep_days)
    oldest = smallest_run_id(since)
    letters = drop_settled_letters(tables)
    if letters_keep_days is not None:
        letters += drop_old_letters(tables, sync, now - timedelta(days=letters_keep_days))
    done = [
        f"dropped {drop_old_statuses(tables, oldest):,} rows of record_status",
        f"dropped {letters:,} dead letters",
        f"dropped {drop_old_alerts(tables, since):,} resolved alerts",
    ]
    drop_old_runs(tables, oldest)
    for table in TABLES:
        sort_table(tables, table)
        tables.spark.sql(f"VACUUM {tables.name(table)}").collect()
    done.append(f"compacted, sorted and vacuumed {', '.join(TABLES)}")
    # After the last sorting that the clustering does
    done += end_clustering(tables, now=now)
    swept = _sweep_staging(tables, since)
    return [*done, f"swept {', '.join(swept)}" if swept else "no staging was left behind"]


def _sweep_staging(tables: Tables, long_ago: datetime) -> list[str]:
    """Drops staged rows of runs that are settled, that nobody knows, or that died `long_ago` and were never settled."""
    # Names first: a run claims its sync before it stages, so whoever has staged these rows is known below
    staged = [(name, match.group("run")) for name in tables.names() if (match := _STAGING.match(name))]
    needed = _unsettled_runs(tables, long_ago) if staged else set()
    swept = []
    for name, run in staged:
        if run in needed:
            continue
        folder = tables.folder(name)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            tables.spark.sql(f"DROP TABLE IF EXISTS {tables.database}.{quoted(name)}")
        swept.append(name)
    return swept


def _unsettled_runs(tables: Tables, long_ago: datetime) -> set[str]:
    """Ids, in lower case, of runs that are at work, or that a later run may still settle from what they staged."""
    runs = (
        tables.read("sync_runs")
        .groupBy("run_id")
        .agg(
            F.max((F.col("event") == "settled") | F.col("delivery_seconds").isNotNull()).alias("settled"),
            F.max(F.greatest("at", "claim_expires_at")).alias("seen"),
        )
        .where("NOT coalesce(settled, false)")
    )
    return {row["run_id"].lower() for row in runs.collect() if as_utc(row["seen"]) >= long_ago}
