"""Reads what ties a sync to a workspace: the configuration of its last run, and answers that its ledger relies on."""

from __future__ import annotations

from pyspark.sql import functions as F

from cio_spark.results.tables import Tables


def last_configuration(tables: Tables, sync: str) -> str | None:
    """The JSON of the configuration of a sync's last run; None where none has kept one."""
    runs = tables.read("sync_runs").where((F.col("sync") == sync) & F.col("configuration").isNotNull())
    row = runs.agg(F.max_by("configuration", "run_id").alias("configuration")).collect()[0]
    return None if row["configuration"] is None else str(row["configuration"])


def has_answers(tables: Tables, sync: str) -> bool:
    """Whether a record of the sync may be left alone for what an API said of it."""
    answered = F.col("status").isin("accepted", "rejected")
    return not tables.read("record_status").where((F.col("sync") == sync) & answered).limit(1).isEmpty()
