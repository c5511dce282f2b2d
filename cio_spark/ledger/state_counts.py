"""Counts records by state, and the bytes of their payloads, before anything is sent."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.model import Reason, StateCounts

_SAMPLE = 1000


def count_states(records: DataFrame, *, source_rows: int, superseded: int) -> StateCounts:
    """Count the records of every state in one pass over source and ledger.

    Args:
        records: classified records.
        source_rows: rows of the source, from a count of their own.
        superseded: duplicates that were dropped, from a count of their own.
    """
    rows = (
        records.groupBy("state")
        .agg(
            F.count(F.lit(1)).alias("records"),
            F.sum(F.col("payload_bytes").cast("bigint")).alias("bytes"),
            F.count_if("retried").alias("retried"),
        )
        .collect()
    )
    counted = {row["state"]: row["records"] for row in rows}
    sent = sum(row["bytes"] or 0 for row in rows if row["state"] in ("new", "changed", "again"))
    return StateCounts(
        source_rows=source_rows,
        superseded=superseded,
        unchanged=counted.get("unchanged", 0),
        changed_ignored=counted.get("changed_ignored", 0),
        held=counted.get("held", 0),
        new=counted.get("new", 0),
        changed=counted.get("changed", 0),
        again=counted.get("again", 0),
        invalid=counted.get("invalid", 0),
        payload_bytes=sent,
        retried=sum(row["retried"] for row in rows),
    )


def sample_bytes(records: DataFrame) -> float:
    """Return the mean bytes of a payload in a sample of at most 1,000 records; 0 if there are none."""
    mean = records.limit(_SAMPLE).agg(F.avg("payload_bytes").alias("mean")).collect()[0]["mean"]
    return float(mean or 0)


def estimate_first_run(mean_bytes: float, *, source_rows: int, superseded: int) -> StateCounts:
    """Estimate the counts of a first run, without a pass over all payloads.

    Args:
        mean_bytes: mean bytes of a payload, from `sample_bytes`.
        source_rows, superseded: as in `count_states`.
    """
    new = source_rows - superseded
    return StateCounts(source_rows=source_rows, superseded=superseded, new=new, payload_bytes=int(new * mean_bytes))


def count_reasons(records: DataFrame) -> tuple[Reason, ...]:
    """Return the reasons why records are invalid, with their counts, the most frequent first."""
    rows = (
        records.where(F.col("state") == "invalid")
        .groupBy("error_code", "error_message")
        .agg(F.count(F.lit(1)).alias("records"))
        .orderBy(F.col("records").desc())
        .collect()
    )
    return tuple(Reason("invalid", "validation", row[0], row[1], row["records"]) for row in rows)
