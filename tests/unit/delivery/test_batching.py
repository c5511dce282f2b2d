"""Tests that batches lose nothing, keep the order, and never exceed a limit."""

from __future__ import annotations

import itertools
import json

import hypothesis.strategies as st
from hypothesis import given, settings

from cio_spark.delivery.batching import Batch, BatchBuilder, BatchLimit
from cio_spark.delivery.records import PreparedRow, record_batch


def build(payloads: list[str], max_records: int, max_bytes: int, chunk: int = 3) -> list[Batch]:
    builder, limit = BatchBuilder(), BatchLimit(max_records, max_bytes)
    rows = [
        PreparedRow(0, f"{payload},", len(payload.encode()), f"r{number}", f"p{number}", f"m{number}", number)
        for number, payload in enumerate(payloads)
    ]
    batches: list[Batch] = []
    for first in range(0, len(rows), chunk):
        builder.add(record_batch(rows[first : first + chunk]))
        batches += builder.full(limit)
    rest = builder.take(limit)
    assert builder.take(limit) is None
    return batches + ([rest] if rest is not None else [])


def payloads_of(batch: Batch) -> list[str]:
    return [payload[:-1] for payload in batch.records.column("payload").to_pylist()]


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.text(max_size=30), max_size=40),
    max_records=st.integers(1, 8),
    max_bytes=st.integers(12, 200),
    chunk=st.integers(1, 50),
)
def test_nothing_is_lost_reordered_or_over_a_limit(
    values: list[str], max_records: int, max_bytes: int, chunk: int
) -> None:
    payloads = [json.dumps({"v": value}, ensure_ascii=False) for value in values]

    batches = build(payloads, max_records, max_bytes, chunk)

    assert [payload for batch in batches for payload in payloads_of(batch)] == payloads
    assert [number for batch in batches for number in batch.records.column("payload_hash").to_pylist()] == list(
        range(len(payloads))
    )
    for batch in batches:
        body = batch.body()
        assert json.loads(body) == {"batch": [json.loads(payload) for payload in payloads_of(batch)]}
        assert 1 <= batch.size <= max_records
        assert len(body) <= max_bytes or batch.size == 1
    for before, after in itertools.pairwise(batches):
        fits = len(before.body()) + 1 + len(payloads_of(after)[0].encode()) <= max_bytes
        assert before.size == max_records or not fits


def test_a_body_of_exactly_the_limit_is_one_batch_and_a_byte_less_room_makes_two() -> None:
    payloads = ['{"v":1}', '{"v":2}']
    exact = len('{"batch":[{"v":1},{"v":2}]}')

    assert [batch.size for batch in build(payloads, 10, exact)] == [2]
    assert [batch.size for batch in build(payloads, 10, exact - 1)] == [1, 1]
