"""Appends to `record_status`, which is the one action on the delivery, and reads the counts back."""

from __future__ import annotations

from collections import Counter

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.batch_facts import BATCH_FACTS, retries_of
from cio_spark.model import OWN_MESSAGE_SQL, DeliveryCounts, Reason
from cio_spark.results.tables import Tables
from cio_spark.statuses import STATUSES

MOST_REASONS = 50
_SUMS = tuple(name for name, fact in BATCH_FACTS.items() if fact.is_summed)


def append_record_status(tables: Tables, statuses: DataFrame, *, run_id: str, wave: int) -> None:
    """Append a wave's statuses in one commit; this evaluates the delivery, so call it only once.

    Args:
        tables: where the tables are.
        statuses: rows of `record_status`.
        run_id, wave: key of the commit (`txnAppId`, `txnVersion`).
    """
    tables.append("record_status", statuses, app_id=run_id, app_version=wave)


def count_statuses(tables: Tables, run_id: str, sync: str) -> DeliveryCounts:
    """Count what a run wrote, by status and reason, and add up what its requests took.

    Args:
        tables: where the tables are.
        run_id: id of the run.
        sync: its sync; with it, files of other syncs can be skipped.
    """
    rows = (
        tables.read("record_status")
        .where((F.col("sync") == sync) & (F.col("run_id") == run_id))
        .groupBy("status", "error_category", "error_code", F.expr(OWN_MESSAGE_SQL).alias("said"))
        .agg(
            F.count(F.lit(1)).alias("records"),
            F.count("batch").alias("batches"),
            F.count("batch_id").alias("batched"),
            F.max("http_status").alias("http_status"),
            *[F.sum(f"batch.{name}").alias(f"sum_of_{name}") for name in _SUMS],
        )
        .collect()
    )
    rows.sort(key=lambda row: -int(row["records"]))
    totals = dict.fromkeys(STATUSES, 0)
    for row in rows:
        totals[row["status"]] += row["records"]
    reasons = [
        Reason(
            row["status"],
            row["error_category"] or "",
            row["error_code"] or "",
            row["said"] or "",
            row["records"],
            row["http_status"],
        )
        for row in rows
        if row["status"] != "accepted"
    ]
    sums = {name: sum(row[f"sum_of_{name}"] or 0 for row in rows) for name in _SUMS}
    batches = sum(row["batches"] for row in rows)
    return DeliveryCounts(
        **totals,
        requests=sums["requests"],
        retries=retries_of(sums["attempts"], batches, sums["splits"]),
        bytes=sums["bytes"],
        compressed_bytes=sums["compressed_bytes"],
        request_seconds=float(sums["request_seconds"]),
        throttled_seconds=float(sums["throttled_seconds"]),
        batched=sum(row["batched"] for row in rows),
        batched_by_lanes=sums["records"],
        reasons=most_frequent(reasons),
        codes=_by_code(reasons),
    )


def _by_code(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Add up reasons that differ only in their words and HTTP status."""
    records = Counter[tuple[str, str, str]]()
    for reason in reasons:
        records[(reason.status, reason.category, reason.code)] += reason.records
    return tuple(Reason(status, category, code, "", count) for (status, category, code), count in records.most_common())


def has_api_verdicts(tables: Tables, sync: str) -> bool:
    """Tell whether an API has accepted or rejected a record of the sync, so that runs may leave the record alone."""
    answered = F.col("status").isin("accepted", "rejected")
    return not tables.read("record_status").where((F.col("sync") == sync) & answered).limit(1).isEmpty()


def most_frequent(reasons: list[Reason]) -> tuple[Reason, ...]:
    """Return the most frequent reasons, and at least one of each status, category and code.

    The exit status of a run is decided from these reasons, so no code may be missing.

    Args:
        reasons: all reasons, the most frequent first.
    """
    first = {(reason.status, reason.category, reason.code): reason for reason in reversed(reasons)}
    return tuple(dict.fromkeys([*reasons[:MOST_REASONS], *first.values()]))
