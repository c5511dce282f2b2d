"""Keeps the tables small: drops old history, compacts, vacuums, sweeps staging that a dead run has left."""

from __future__ import annotations

import re
import shutil
from datetime import datetime, timedelta

from pyspark.sql import functions as F

from cio_spark.results.claims import smallest_run_id
from cio_spark.results.tables import Tables
from cio_spark.schemas import RECORD_KEY, TABLES, WAS_SENT
from cio_spark.sql import quoted

_STAGING = re.compile(r"^staging_(?P<run>[0-9a-z]{26})_(rows|waves)$")


def maintain_tables(tables: Tables, *, keep_days: int, now: datetime) -> list[str]:
    """Does everything, oldest history first; safe to run at any time, best while no sync runs.

    Args:
        tables: where the tables are.
        keep_days: history that is kept, in days. Of every record the last row, the last one that was attempted and the
            last accepted one are kept for ever; so is the newest run of every sync.
        now: the time.

    Returns:
        what was done, a line each.
    """
    oldest = smallest_run_id(now - timedelta(days=keep_days))
    done = [f"dropped {_drop_old_statuses(tables, oldest):,} rows of record_status"]
    newest = tables.read("sync_runs").groupBy("sync").agg(F.max("run_id").alias("run_id"))
    kept_runs = [row["run_id"] for row in newest.collect()]
    names = ", ".join(f"'{run_id}'" for run_id in kept_runs) or "''"
    tables.spark.sql(
        f"DELETE FROM {tables.name('sync_runs')} WHERE run_id < '{oldest}' AND run_id NOT IN ({names})"
    ).collect()
    tables.spark.sql(f"DELETE FROM {tables.name('batch_operations')} WHERE job_id < '{oldest}'").collect()
    for table in TABLES:
        tables.spark.sql(f"OPTIMIZE {tables.name(table)}").collect()
        tables.spark.sql(f"VACUUM {tables.name(table)}").collect()
    done.append(f"compacted and vacuumed {', '.join(TABLES)}")
    swept = _sweep_staging(tables)
    return [*done, f"swept {', '.join(swept)}" if swept else "no staging was left behind"]


def _drop_old_statuses(tables: Tables, oldest: str) -> int:
    """Deletes what is older and is no record's last word."""
    table = tables.name("record_status")
    result = tables.spark.sql(
        f"""
        MERGE INTO {table} AS t USING (
          WITH named AS (SELECT sync, {RECORD_KEY} AS key, run_id, status, attempts FROM {table}),
          last AS (
            SELECT sync, key, max(run_id) AS written,
                   max(CASE WHEN {WAS_SENT} THEN run_id END) AS attempted,
                   max(CASE WHEN status = 'accepted' THEN run_id END) AS accepted
            FROM named GROUP BY sync, key)
          SELECT DISTINCT named.sync, named.key, named.run_id FROM named JOIN last USING (sync, key)
          WHERE run_id < '{oldest}' AND run_id <> written
            AND run_id <> coalesce(attempted, '') AND run_id <> coalesce(accepted, '')
        ) AS old
        ON t.sync = old.sync AND t.run_id = old.run_id AND {
            RECORD_KEY.replace("record_id", "t.record_id").replace("payload_hash", "t.payload_hash")
        } = old.key
        WHEN MATCHED THEN DELETE
        """
    ).collect()
    return int(result[0]["num_deleted_rows"]) if result else 0


def _sweep_staging(tables: Tables) -> list[str]:
    """Drops staged rows of runs that are settled, or that nobody knows."""
    needed = {
        row["run_id"].lower()
        for row in tables.read("sync_runs")
        .groupBy("run_id")
        .agg(F.max((F.col("event") == "settled") | F.col("delivery_seconds").isNotNull()).alias("settled"))
        .where("NOT coalesce(settled, false)")
        .collect()
    }
    swept = []
    for name in tables.names():
        match = _STAGING.match(name)
        if match is None or match.group("run") in needed:
            continue
        folder = tables.folder(name)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            tables.spark.sql(f"DROP TABLE IF EXISTS {tables.database}.{quoted(name)}")
        swept.append(name)
    return swept
