"""Batches lose nothing, keep the order, and never pass a limit."""

from __future__ import annotations

import itertools
import json

import hypothesis.strategies as st
from hypothesis import given, settings

from cio_spark.delivery.batching import Batch, BatchBuilder


def build(payloads: list[str], max_records: int, max_bytes: int) -> list[Batch]:
    builder = BatchBuilder(max_records, max_bytes)
    batches = []
    for number, payload in enumerate(payloads):
        size = len(payload.encode())
        full = builder.add(payload, size, f"r{number}", f"p{number}", f"m{number}", number)
        batches += [full] if full is not None else []
    rest = builder.take()
    return batches + ([rest] if rest is not None else [])


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.text(max_size=30), max_size=40), max_records=st.integers(1, 8), max_bytes=st.integers(12, 200)
)
def test_nothing_is_lost_reordered_or_over_a_limit(values: list[str], max_records: int, max_bytes: int) -> None:
    payloads = [json.dumps({"v": value}, ensure_ascii=False) for value in values]

    batches = build(payloads, max_records, max_bytes)

    assert [payload for batch in batches for payload in batch.payloads] == payloads
    assert [number for batch in batches for number in batch.records.payload_hashes] == list(range(len(payloads)))
    for batch in batches:
        body = batch.body()
        assert json.loads(body) == {"batch": [json.loads(payload) for payload in batch.payloads]}
        assert 1 <= len(batch.payloads) <= max_records
        assert len(body) <= max_bytes or len(batch.payloads) == 1
    for before, after in itertools.pairwise(batches):
        fits = len(before.body()) + 1 + len(after.payloads[0].encode()) <= max_bytes
        assert len(before.payloads) == max_records or not fits


def test_a_body_of_exactly_the_limit_is_one_batch_and_a_byte_less_room_makes_two() -> None:
    payloads = ['{"v":1}', '{"v":2}']
    exact = len('{"batch":[{"v":1},{"v":2}]}')

    assert [len(batch.payloads) for batch in build(payloads, 10, exact)] == [2]
    assert [len(batch.payloads) for batch in build(payloads, 10, exact - 1)] == [1, 1]
