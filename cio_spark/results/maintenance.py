"""Keeps the tables small: drops old history, compacts, sorts and vacuums, and drops staged rows that dead runs left."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from types import MappingProxyType

from pyspark.sql import functions as F

from cio_spark.clock import as_utc
from cio_spark.ids import smallest_run_id
from cio_spark.results.clustering import end_clustering, sort_table
from cio_spark.results.old_row_deletion import (
    drop_old_alerts,
    drop_old_letters,
    drop_old_runs,
    drop_old_statuses,
    drop_settled_letters,
)
from cio_spark.results.staging import STAGED
from cio_spark.results.tables import Tables
from cio_spark.schemas import TABLES
from cio_spark.spark.conf import temporary_settings

_STAGING = re.compile(rf"^staging_(?P<run>[0-9a-z]{{26}})_({'|'.join(STAGED)})$")


MAINTENANCE_COMMENT = "cio_spark maintain"
"""Text that maintenance adds to its commits, so that a run can tell them from changes that users made."""


def maintain_tables(
    tables: Tables, *, keep_days: int, now: datetime, letters_keep_days: Mapping[str, int | None] = MappingProxyType({})
) -> list[str]:
    """Do all maintenance, beginning with old history; this is safe at any time, and best while no sync runs.

    Args:
        tables: where the tables are.
        keep_days: days of history to keep. Of every record, the last row, the last row that was attempted and the last
            accepted row are kept for ever, and so is the newest run of every sync. Rows that a dead run has staged are
            kept for as many days, for the run that recovers it; so are those of a retired sync.
        now: the current time.
        letters_keep_days: days for which dead letters are kept, by sync; None, and a sync that is not there, keeps them
            until their records are accepted.

    Returns:
        One line for each thing that was done.
    """
    with temporary_settings(tables.spark, {"spark.databricks.delta.commitInfo.userMetadata": MAINTENANCE_COMMENT}):
        since = now - timedelta(days=keep_days)
        oldest = smallest_run_id(since)
        letters = drop_settled_letters(tables)
        for sync, days in letters_keep_days.items():
            if days is not None:
                letters += drop_old_letters(tables, sync, now - timedelta(days=days))
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
        # This comes after the last sorting by clustering
        done += end_clustering(tables, now=now)
        swept = _sweep_staging(tables, since)
        return [*done, f"swept {', '.join(swept)}" if swept else "no staging was left behind"]


def _sweep_staging(tables: Tables, long_ago: datetime) -> list[str]:
    """Drop staged rows of runs that need no recovery, that are unknown, or that died before `long_ago`."""
    # Read the names first: a run claims its sync before it stages, so the runs of these rows are known below
    staged = [(name, match.group("run")) for name in tables.names() if (match := _STAGING.match(name))]
    needed = _unsettled_runs(tables, long_ago) if staged else set()
    swept = []
    for name, run in staged:
        if run in needed:
            continue
        tables.drop(name)
        swept.append(name)
    return swept


def _unsettled_runs(tables: Tables, long_ago: datetime) -> set[str]:
    """Return the lower-case ids of runs that are at work, or that a later run may still recover from staged rows."""
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
