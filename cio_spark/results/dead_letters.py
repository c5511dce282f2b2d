"""Writes the table `dead_letters`: records that could not be delivered, with their payloads, until their replay."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.model import STOPPED_THE_RUN_SQL
from cio_spark.results.tables import Tables
from cio_spark.schemas import DEAD_LETTERS, struct_of

ALWAYS_DEAD = ("rejected", "invalid")
"""Statuses of dead letters under every strategy, as in the notebook; `failed` is one only under `dead_letter_queue`."""


def append_dead_letters(
    tables: Tables, records: DataFrame, *, run_id: str, sync: str, include_failed: bool, store_payloads: bool
) -> None:
    """Append a run's dead letters in one commit, which a second call does not repeat.

    Args:
        tables: where the tables are.
        records: the run's records with `record_id`, `payload` (without message id), `payload_hash`, `occurred_at`.
        run_id, sync: the run and its sync; its statuses must be in `record_status`.
        include_failed: whether `failed` records are dead letters too (`dead_letter_queue`), except those in doubt and
            those whose failure stopped the run.
        store_payloads: whether to keep payloads.
    """
    statuses = (*ALWAYS_DEAD, "failed") if include_failed else ALWAYS_DEAD
    dead = (
        tables.read("record_status", tables.version("record_status"))
        .where((F.col("sync") == sync) & (F.col("run_id") == run_id) & F.col("status").isin(*statuses))
        .where(F.col("error_code").isNull() | (F.col("error_code") != "in_doubt"))
        .where(~F.expr(STOPPED_THE_RUN_SQL))
    )
    payloads = records.select("record_id", "payload_hash", "payload", "occurred_at").alias("records")
    # Rows without a record id are identified by their content; equal rows need only one payload
    same = F.col("dead.record_id").eqNullSafe(F.col("records.record_id")) & (
        F.col("dead.payload_hash") == F.col("records.payload_hash")
    )
    letters = (
        dead.alias("dead")
        .join(payloads.dropDuplicates(["record_id", "payload_hash"]).alias("records"), same, "left")
        .select(
            "dead.*",
            (F.col("records.payload") if store_payloads else F.lit(None).cast("string")).alias("payload"),
            "records.occurred_at",
            F.coalesce("dead.attempted_at", F.current_timestamp()).alias("dead_at"),
        )
    )
    rows = letters.select(*struct_of(DEAD_LETTERS).fieldNames())
    tables.append("dead_letters", rows, app_id=f"dead-{run_id}", app_version=0)
