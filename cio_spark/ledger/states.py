"""Gives every record its state before the delivery; `statuses.State` explains the states."""

from __future__ import annotations

from collections.abc import Collection

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.ledger.message_id import message_time
from cio_spark.schemas import RECORD_KEY_SQL

STATES_TO_SEND = ("new", "changed", "again")
# States of records that go through the delivery; `invalid` records are only written to the tables
STATES_IN_DELIVERY = (*STATES_TO_SEND, "invalid")


def mark_all_new(records: DataFrame) -> DataFrame:
    """Add the states of a first run, which needs no join because no run tried anything before."""
    return records.withColumns(
        {
            "state": F.when(F.col("error_code").isNotNull(), "invalid").otherwise("new"),
            "retried": F.lit(False),
            "accepted_message_id": F.lit(None).cast("string"),
        }
    )


def classify_records(
    records: DataFrame,
    tried: DataFrame,
    *,
    ignore_changes: bool,
    hold: Collection[str],
    accepted_persons: DataFrame | None = None,
) -> DataFrame:
    """Add `state`, `retried`, `accepted_message_id` and `message_id`.

    Args:
        records: validated records, one per record id.
        tried: `latest_attempts` of this sync.
        ignore_changes: True for `on_change: ignore`: a record that was accepted once is never sent again.
        hold: statuses (`rejected`, `invalid`, `failed`) that make a record `held` if it last ended so with the same
            payload. A failed record counts only if it waits as a dead letter.
        accepted_persons: `accepted_persons` of this sync, if calls overwrite state. A record that was refused before,
            and is older than what was accepted of its person, is then `held`, whatever `hold` says.

    Returns:
        The records with one of the states new, changed, again, invalid, unchanged, changed_ignored, held. `retried` is
        true for valid records that were refused before with the same payload and are tried again. `message_id` is the
        id under which the newest attempt sent this very payload; null if that attempt sent another one, or none did.
    """
    joined = records.withColumn("key", F.expr(RECORD_KEY_SQL)).join(tried, "key", "left")
    same_as_last = F.col("last_hash") == F.col("payload_hash")
    invalid = F.col("error_code").isNotNull()
    unchanged = (F.col("attempted_status") == "accepted") & (F.col("attempted_hash") == F.col("payload_hash"))
    refused = (F.col("last_status") == "rejected") | ((F.col("last_status") == "invalid") & invalid)
    dead_letter = (F.col("last_status") == "failed") & F.col("awaits_replay")
    held = F.coalesce(same_as_last & (refused | dead_letter), F.lit(False))
    held_for_good = held & F.col("last_status").isin(*hold) if hold else F.lit(False)
    outdated = F.lit(False)
    if accepted_persons is not None:
        joined = joined.join(accepted_persons, "person_key", "left")
        mine = F.struct(message_time().alias("time"), F.col("last_run_id").alias("run_id"))
        outdated = F.coalesce(F.col("accepted_person") > mine, F.lit(False))
    state = (
        F.when(unchanged, "unchanged")
        .when(F.lit(ignore_changes) & F.col("accepted_message_id").isNotNull(), "changed_ignored")
        .when(held_for_good | (held & outdated & ~invalid), "held")
        .when(invalid, "invalid")
        .when(F.col("attempted_status") == "accepted", "changed")
        .when(F.col("last_status").isNotNull(), "again")
        .otherwise("new")
    )
    # Computed again, the id could differ: a run that was taken over may have recorded an acceptance since
    kept_id = F.when(F.col("attempted_hash") == F.col("payload_hash"), F.col("attempted_message_id"))
    classified = joined.withColumns({"state": state, "message_id": kept_id})
    classified = classified.withColumn("retried", held & (F.col("state") == "again"))
    ours = {*tried.columns, "accepted_person"} - {"accepted_message_id"}
    return classified.drop(*ours)
