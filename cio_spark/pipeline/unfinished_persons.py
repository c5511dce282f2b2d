"""Finds persons of whom two runs have sent the same records, and who must not end with an older one.

A run that takes over does not know of a wave that the other run commits late. It sends the records of the wave again,
and may leave the newest ones of a person unsent. The tables then say that these were accepted, and the next run would
send only the older ones that failed.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.fold import ACCEPTED, ALL_ROWS, ATTEMPTED, newest_value
from cio_spark.results import Tables
from cio_spark.schemas import RECORD_KEY_SQL, SENT_COLUMNS


def unfinished_records(
    written: DataFrame, newer_runs: DataFrame, later: DataFrame, *, all_is_recorded: bool
) -> DataFrame:
    """Return the records that a wave had accepted and that must go again, so that each person ends with the newest one.

    Args:
        written: rows of the wave, with their `key`.
        newer_runs: rows of `record_status` of later runs.
        later: `key` and `later`, the newest row of each record that a later run had accepted.
        all_is_recorded: whether the later runs have recorded all that they sent. If not, every record may be one.

    Returns:
        `schemas.SENT_COLUMNS`. The message id is null for persons of whom a later run had something else accepted:
        under its old id, Customer.io could take a record for a duplicate, and keep what came in between.
    """
    others = later.select("later.person_key", "later.message_id").join(
        written.select("message_id"), "message_id", "left_anti"
    )
    others = others.select("person_key").distinct().withColumn("has_others", F.lit(True))
    accepted = written.where(ACCEPTED).join(later, "key", "left_anti")
    records = accepted.join(others, "person_key", "left")
    if all_is_recorded:
        begun = newer_runs.where(F.expr(ATTEMPTED)).select("person_key").distinct()
        tried = newer_runs.groupBy(F.expr(RECORD_KEY_SQL).alias("key")).agg(
            F.expr(newest_value("status", ALL_ROWS)).alias("newest_status"),
            F.expr(newest_value("message_id", ALL_ROWS)).alias("newest_id"),
            F.coalesce(F.max(F.expr(ATTEMPTED)), F.lit(False)).alias("was_sent"),
        )
        left_out = (F.col("newest_status") == "not_attempted") & ~F.col("was_sent")
        # A failed record goes again in any case; here it only loses its old id
        failed = (F.col("newest_status") == "failed") & (F.col("newest_id") == F.col("message_id"))
        records = records.join(tried, "key").where(left_out | (failed & F.col("has_others")))
        records = records.join(begun, "person_key", "left_semi")
    kept_id = F.when(F.col("has_others").isNull(), F.col("message_id"))
    return records.withColumn("message_id", kept_id).select(*SENT_COLUMNS)


def all_is_recorded(tables: Tables, sync: str, since: str) -> bool:
    """Tell whether all later runs have recorded what they sent: none was lost, and none has a wave in doubt.

    Args:
        tables: access to the Delta tables.
        sync: name of the sync.
        since: id of the run after which the runs are looked at.
    """
    ends = tables.read("sync_runs").where((F.col("sync") == sync) & (F.col("event") == "ended"))
    later = ends.where((F.col("run_id") > since) & (F.col("status") != "taken_over"))
    return later.where(F.coalesce("in_doubt", F.lit(1)) > 0).limit(1).isEmpty()
