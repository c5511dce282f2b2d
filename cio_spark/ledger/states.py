"""The state of every record before the delivery (design §3)."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.ledger.tried import record_key

# States that go through the delivery; `invalid` ones only to be written down
DELIVERED = ("new", "changed", "again", "invalid")


def mark_all_new(records: DataFrame) -> DataFrame:
    """The states of a first run: nothing was tried before, so no join is needed."""
    return records.withColumns(
        {
            "state": F.when(F.col("error_code").isNotNull(), "invalid").otherwise("new"),
            "accepted_message_id": F.lit(None).cast("string"),
        }
    )


def classify_records(records: DataFrame, tried: DataFrame, *, ignore_changes: bool, hold: bool) -> DataFrame:
    """Adds `state` and `accepted_message_id`.

    Args:
        records: validated records, one per record id.
        tried: `tried_records` of this sync.
        ignore_changes: `on_change: ignore`: what was accepted once is never sent again.
        hold: records that failed for good with this very payload are left alone (`--retry-held`, suppressions and
            deletions: False).

    Returns:
        the records with one of the states new, changed, again, invalid, unchanged, changed_ignored, held.
    """
    joined = records.withColumn("key", record_key(F.col("record_id"), F.col("payload_hash"))).join(tried, "key", "left")
    same_as_last = F.col("last_hash") == F.col("payload_hash")
    invalid = F.col("error_code").isNotNull()
    unchanged = (F.col("attempted_status") == "accepted") & (F.col("attempted_hash") == F.col("payload_hash"))
    refused = (F.col("last_status") == "rejected") | ((F.col("last_status") == "invalid") & invalid)
    held = same_as_last & (refused | ((F.col("last_status") == "failed") & F.col("waits")))
    state = (
        F.when(unchanged, "unchanged")
        .when(F.lit(ignore_changes) & F.col("accepted_message_id").isNotNull(), "changed_ignored")
        .when(F.lit(hold) & held, "held")
        .when(invalid, "invalid")
        .when(F.col("attempted_status") == "accepted", "changed")
        .when(F.col("last_status").isNotNull(), "again")
        .otherwise("new")
    )
    return joined.withColumn("state", state).drop(*[name for name in tried.columns if name != "accepted_message_id"])
