"""Tests that a tally counts the outcomes of a batch's records.

It keeps every try when several batches are counted as one.
"""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from delivery_world import row

from cio_spark.delivery import BatchFacts
from cio_spark.delivery.outcome import ACCEPTED, RecordOutcome, group_of
from cio_spark.delivery.records import record_batch
from cio_spark.notebook.tally import Tally

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def tally(attempts: int, splits: int = 0) -> Tally:
    """Count an accepted batch of one record that took so many tries and divisions."""
    facts = BatchFacts(
        wave=0,
        partition=0,
        lane=0,
        worker="w",
        started_at=NOON,
        completed_at=NOON + timedelta(seconds=1),
        records=1,
        bytes=100,
        compressed_bytes=None,
        requests=attempts,
        attempts=attempts,
        splits=splits,
        request_seconds=1.0,
        throttled_seconds=0.0,
        memory_usage_mb=None,
        cpu_usage_percent=None,
        limit_records=1000,
        limit_bytes=500_000,
    )
    counted = Tally(ACCEPTED)
    counted.add(group_of(RecordOutcome(ACCEPTED, batch_id="b", attempts=attempts, batch=facts), record_batch([row(1)])))
    return counted


@pytest.mark.parametrize(("attempts", "splits", "retries"), [(1, 0, 0), (3, 0, 2), (3, 1, 0), (5, 1, 2), (2, 1, 0)])
def test_retries_are_the_tries_that_are_no_first_ones(attempts: int, splits: int, retries: int) -> None:
    metrics = tally(attempts, splits).metrics("b", 5.0)
    assert (metrics.retry_count, metrics.attempts, metrics.splits) == (retries, attempts, splits)


def test_batches_counted_as_one_lose_no_try_and_gain_no_retry() -> None:
    whole = Tally(ACCEPTED)
    for part in (tally(3), tally(3, 1), tally(6, 2), tally(1)):
        whole.merge(part)
    metrics = whole.metrics("b", 5.0)
    assert (metrics.total_records, metrics.requests) == (4, 13)
    assert (metrics.attempts, metrics.splits, metrics.retry_count) == (13, 3, 3)
