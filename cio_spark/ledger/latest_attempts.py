"""Folds a sync's rows of `record_status` into one row per record, with its last attempt and its last acceptance."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.fold import ACCEPTED, ALL_ROWS, ATTEMPTED, newest_run_id, newest_value
from cio_spark.ids import TIME_CHARACTERS
from cio_spark.schemas import RECORD_KEY_SQL, SENT_COLUMNS


def latest_attempts(record_status: DataFrame, sync: str, dead_letters: DataFrame | None = None) -> DataFrame:
    """Return one row for each record that earlier runs wrote.

    Args:
        record_status: the table at a pinned version, so that two overlapping syncs never conflict.
        sync: name of the sync.
        dead_letters: dead letters of the sync, if failed records wait for a replay; None if failed records are sent
            again by the next run.

    Returns:
        `key`, `last_run_id`, `last_status`, `last_hash`, `attempted_status`, `attempted_hash`, `accepted_message_id`,
        `attempted_message_id` and `awaits_replay` (true if the last attempt is a dead letter).
    """
    folded = {
        "last_run_id": newest_run_id(ALL_ROWS),
        "last_status": newest_value("status", ALL_ROWS),
        "last_hash": newest_value("payload_hash", ALL_ROWS),
        "attempted_status": newest_value("status", ATTEMPTED),
        "attempted_hash": newest_value("payload_hash", ATTEMPTED),
        "accepted_message_id": newest_value("message_id", ACCEPTED),
        "attempted_message_id": newest_value("message_id", ATTEMPTED),
    }
    tried = (
        record_status.where(F.col("sync") == sync)
        .groupBy(F.expr(RECORD_KEY_SQL).alias("key"))
        .agg(*[F.expr(sql).alias(name) for name, sql in folded.items()])
    )
    if dead_letters is None:
        return tried.withColumn("awaits_replay", F.lit(False))
    waiting = (
        replayable(dead_letters)
        .select(F.col("message_id").alias("attempted_message_id"), F.lit(True).alias("awaits_replay"))
        .distinct()
    )
    joined = tried.join(waiting, "attempted_message_id", "left")
    return joined.withColumn("awaits_replay", F.coalesce("awaits_replay", F.lit(False)))


def replayable(dead_letters: DataFrame) -> DataFrame:
    """Keep the letters that can be replayed; without its payload none can, so the next run sends its record again."""
    return dead_letters.where("payload IS NOT NULL AND message_id IS NOT NULL")


def newest_accepted(record_status: DataFrame) -> DataFrame:
    """Return the newest accepted row of each record that has one.

    Args:
        record_status: rows of one sync.

    Returns:
        `key` and `accepted`: STRUCT<record_id, person_key, message_id, payload_hash, payload_bytes>.
    """
    newest = newest_value(f"struct({', '.join(SENT_COLUMNS)})", ALL_ROWS)
    accepted = record_status.where(ACCEPTED).groupBy(F.expr(RECORD_KEY_SQL).alias("key"))
    return accepted.agg(F.expr(newest).alias("accepted"))


def accepted_persons(record_status: DataFrame, sync: str) -> DataFrame:
    """Return the newest accepted record of each person.

    If calls overwrite state, nothing older than that record may be sent for the person.

    Args:
        record_status: the table at a pinned version.
        sync: name of the sync.

    Returns:
        `person_key` and `accepted_person`: STRUCT<time, run_id> of the newest accepted record, with the time as in
        `message_time`.
    """
    accepted = record_status.where((F.col("sync") == sync) & (F.col("status") == "accepted"))
    newest = F.struct(F.substring("message_id", 1, TIME_CHARACTERS).alias("time"), F.col("run_id"))
    return accepted.groupBy("person_key").agg(F.max(newest).alias("accepted_person"))
