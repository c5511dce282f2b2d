"""Finds the records that the next run has to try again although their source rows have not changed."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.fold import ALL_ROWS, newest_value
from cio_spark.ledger.latest_attempts import replayable


def pending_keys(
    record_status: DataFrame, sync: str, first_run: str, statuses: Collection[str], dead_letters: DataFrame | None
) -> DataFrame:
    """Return the ids of records whose newest row, since a run, says that they must be tried again.

    Args:
        record_status: the table at a pinned version.
        sync: name of the sync.
        first_run: id of the newest run that covered the source. It tried every record that was pending before.
        statuses: statuses of records that are tried again.
        dead_letters: dead letters of the sync, if failed records wait for a replay; else None.

    Returns:
        a DataFrame with the column `record_id`.
    """
    newest = (
        record_status.where((F.col("sync") == sync) & (F.col("run_id") >= first_run) & F.col("record_id").isNotNull())
        .groupBy("record_id")
        .agg(
            F.expr(newest_value("status", ALL_ROWS)).alias("status"),
            F.expr(newest_value("message_id", ALL_ROWS)).alias("message_id"),
        )
        .where(F.col("status").isin(*statuses))
    )
    if dead_letters is not None:
        letters = replayable(dead_letters).select("message_id")
        waiting = newest.where(F.col("status") == "failed").join(letters, "message_id", "left_semi")
        newest = newest.join(waiting.select("record_id"), "record_id", "left_anti")
    return newest.select("record_id")
