"""Drops history that nobody needs any more: old rows of every table, and dead letters that were delivered since."""

from __future__ import annotations

from datetime import datetime

from pyspark.sql import functions as F

from cio_spark.clock import as_utc
from cio_spark.fold import ACCEPTED, ALL_ROWS, ATTEMPTED, newest_run_id
from cio_spark.ids import smallest_run_id
from cio_spark.results.tables import Tables, sql_text
from cio_spark.schemas import RECORD_KEY_SQL

_ALERTS_AT_A_TIME = 1_000


def drop_old_runs(tables: Tables, oldest: str) -> None:
    """Drop old rows of `sync_runs` and `batch_operations`; the newest run of every sync stays.

    Args:
        tables: where the tables are.
        oldest: the run id from which on everything stays.
    """
    newest = tables.read("sync_runs").groupBy("sync").agg(F.max("run_id").alias("run_id"))
    kept = ", ".join(f"'{row['run_id']}'" for row in newest.collect()) or "''"
    tables.spark.sql(
        f"DELETE FROM {tables.name('sync_runs')} WHERE run_id < '{oldest}' AND run_id NOT IN ({kept})"
    ).collect()
    tables.spark.sql(f"DELETE FROM {tables.name('batch_operations')} WHERE job_id < '{oldest}'").collect()


def drop_old_statuses(tables: Tables, oldest: str) -> int:
    """Drop old rows of `record_status` that are no record's latest row, attempt or acceptance.

    Args:
        tables: where the tables are.
        oldest: the run id from which on everything stays.

    Returns:
        the number of rows that were dropped.
    """
    table = tables.name("record_status")
    return _delete_matching(
        tables,
        "record_status",
        f"""
          WITH named AS (SELECT sync, {RECORD_KEY_SQL} AS key, run_id, status, attempts FROM {table}),
          last AS (
            SELECT sync, key, {newest_run_id(ALL_ROWS)} AS written, {newest_run_id(ATTEMPTED)} AS attempted,
                   {newest_run_id(ACCEPTED)} AS accepted
            FROM named GROUP BY sync, key)
          SELECT DISTINCT named.sync, named.key, named.run_id FROM named JOIN last USING (sync, key)
          WHERE run_id < '{oldest}' AND run_id <> written
            AND run_id <> coalesce(attempted, '') AND run_id <> coalesce(accepted, '')
        """,
    )


def drop_settled_letters(tables: Tables) -> int:
    """Drop dead letters of records that were accepted since, or that have a newer letter: a replay sends neither.

    Args:
        tables: where the tables are.

    Returns:
        the number of letters that were dropped.
    """
    letters, statuses = tables.name("dead_letters"), tables.name("record_status")
    return _delete_matching(
        tables,
        "dead_letters",
        f"""
          WITH letters AS (SELECT DISTINCT sync, {RECORD_KEY_SQL} AS key, run_id FROM {letters}),
          accepted AS (
            SELECT sync, {RECORD_KEY_SQL} AS key, max(run_id) AS accepted
            FROM {statuses} WHERE {ACCEPTED} GROUP BY 1, 2),
          newest AS (SELECT sync, key, max(run_id) AS newest FROM letters GROUP BY sync, key)
          SELECT letters.* FROM letters JOIN newest USING (sync, key) LEFT JOIN accepted USING (sync, key)
          WHERE run_id < newest OR run_id < coalesce(accepted, '')
        """,
    )


def drop_old_letters(tables: Tables, sync: str, before: datetime) -> int:
    """Drop dead letters of a sync that are older than their time; failed records are then tried again by the next run.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        before: letters of earlier runs go.

    Returns:
        the number of letters that were dropped.
    """
    old = (F.col("sync") == sync) & (F.col("run_id") < smallest_run_id(before))
    count = tables.read("dead_letters").where(old).count()
    if count:
        tables.spark.sql(
            f"DELETE FROM {tables.name('dead_letters')} "
            f"WHERE sync = {sql_text(sync)} AND run_id < '{smallest_run_id(before)}'"
        ).collect()
    return count


def drop_old_alerts(tables: Tables, before: datetime) -> int:
    """Drop alerts that were resolved before a time; of every sync and type the newest one stays, for its number.

    Args:
        tables: where the tables are.
        before: the time.

    Returns:
        the number of alerts that were dropped.
    """
    table = tables.name("alerts")
    ended = (
        tables.read("alerts")
        .groupBy("sync", "type", "alert_id")
        .agg(
            F.max(F.when(F.col("event") == "resolved", F.col("at"))).alias("resolved_at"),
            F.max("at").alias("changed_at"),
        )
        .collect()
    )
    newest = {(row["sync"], row["type"]): row for row in sorted(ended, key=lambda row: row["changed_at"])}
    kept = {row["alert_id"] for row in newest.values()}
    old = [
        row["alert_id"]
        for row in ended
        if row["resolved_at"] is not None and as_utc(row["resolved_at"]) < before and row["alert_id"] not in kept
    ]
    for start in range(0, len(old), _ALERTS_AT_A_TIME):
        names = ", ".join(sql_text(name) for name in old[start : start + _ALERTS_AT_A_TIME])
        tables.spark.sql(f"DELETE FROM {table} WHERE alert_id IN ({names})").collect()
    return len(old)


def _delete_matching(tables: Tables, table: str, old: str) -> int:
    """Delete the rows of a table whose sync, record key and run id a query gives."""
    key = RECORD_KEY_SQL.replace("record_id", "t.record_id").replace("payload_hash", "t.payload_hash")
    result = tables.spark.sql(
        f"MERGE INTO {tables.name(table)} AS t USING ({old}) AS old "
        f"ON t.sync = old.sync AND t.run_id = old.run_id AND {key} = old.key WHEN MATCHED THEN DELETE"
    ).collect()
    return int(result[0]["num_deleted_rows"]) if result else 0
