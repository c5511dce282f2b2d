"""Counts records by state, and the bytes of their payloads, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cio_spark.ledger.states import STATES_TO_SEND
from cio_spark.model import Reason, StateCounts
from cio_spark.statuses import State

_SAMPLE = 1000
# Superseded rows are dropped before records get their states
_COUNTED = tuple(state.value for state in State if state is not State.SUPERSEDED)


def state_sums() -> list[Column]:
    """Return the sums over classified records of which `counts_from_sums` makes the counts."""
    sent = F.col("state").isin(*STATES_TO_SEND)
    return [
        *[F.count_if(F.col("state") == state).alias(state) for state in _COUNTED],
        F.sum(F.when(sent, F.col("payload_bytes").cast("bigint"))).alias("payload_bytes"),
        F.count_if("retried").alias("retried"),
    ]


def counts_from_sums(sums: Mapping[str, Any], *, source_rows: int, superseded: int) -> StateCounts:
    """Make the counts of a run from the sums over its records.

    Args:
        sums: values of `state_sums` by name.
        source_rows: rows of the source, from a count of their own.
        superseded: duplicates that were dropped, from a count of their own.
    """
    names = (*_COUNTED, "payload_bytes", "retried")
    return StateCounts(source_rows, superseded, **{name: int(sums[name] or 0) for name in names})


def count_states(records: DataFrame, *, source_rows: int, superseded: int) -> StateCounts:
    """Count the records of every state in one pass over source and ledger.

    Args:
        records: classified records.
        source_rows, superseded: see `counts_from_sums`.
    """
    sums = records.agg(*state_sums()).collect()[0].asDict()
    return counts_from_sums(sums, source_rows=source_rows, superseded=superseded)


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
