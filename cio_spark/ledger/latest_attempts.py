"""Folds a sync's rows of `record_status` into one row per record: what was tried last, what was accepted last."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.fold import ACCEPTED, ATTEMPTED, WRITTEN, newest, newest_run
from cio_spark.ids import TIME_CHARACTERS
from cio_spark.schemas import RECORD_KEY


def latest_attempts(record_status: DataFrame, sync: str, dead_letters: DataFrame | None = None) -> DataFrame:
    """One row per record that earlier runs wrote.

    Args:
        record_status: the table at a pinned version, so that two overlapping syncs never conflict.
        sync: the sync's name.
        dead_letters: those of the sync where failed records wait for a replay; None: they go again by themselves.

    Returns:
        `key`, `last_run_id`, `last_status`, `last_hash`, `attempted_status`, `attempted_hash`, `accepted_message_id`,
        `awaits_replay` (whether the last attempt is a dead letter).
    """
    folded = {
        "last_run_id": newest_run(WRITTEN),
        "last_status": newest("status", WRITTEN),
        "last_hash": newest("payload_hash", WRITTEN),
        "attempted_status": newest("status", ATTEMPTED),
        "attempted_hash": newest("payload_hash", ATTEMPTED),
        "accepted_message_id": newest("message_id", ACCEPTED),
        "attempted_message_id": newest("message_id", ATTEMPTED),
    }
    tried = (
        record_status.where(F.col("sync") == sync)
        .groupBy(F.expr(RECORD_KEY).alias("key"))
        .agg(*[F.expr(sql).alias(name) for name, sql in folded.items()])
    )
    if dead_letters is None:
        return tried.withColumn("awaits_replay", F.lit(False))
    # Without its payload a letter cannot be replayed: such records go again by themselves
    waiting = (
        dead_letters.where("payload IS NOT NULL AND message_id IS NOT NULL")
        .select(F.col("message_id").alias("attempted_message_id"), F.lit(True).alias("awaits_replay"))
        .distinct()
    )
    joined = tried.join(waiting, "attempted_message_id", "left")
    return joined.withColumn("awaits_replay", F.coalesce("awaits_replay", F.lit(False)))


def accepted_persons(record_status: DataFrame, sync: str) -> DataFrame:
    """How far Customer.io is with each person: nothing older than that may be sent where it overwrites state.

    Args:
        record_status: the table at a pinned version.
        sync: the sync's name.

    Returns:
        `person_key`, `accepted_person`: STRUCT<time, run_id> of the newest accepted record, time as in `message_time`.
    """
    accepted = record_status.where((F.col("sync") == sync) & (F.col("status") == "accepted"))
    newest = F.struct(F.substring("message_id", 1, TIME_CHARACTERS).alias("time"), F.col("run_id"))
    return accepted.groupBy("person_key").agg(F.max(newest).alias("accepted_person"))
