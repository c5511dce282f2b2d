"""Tests that create_intelligent_batches loses nothing and reorders nothing.

It keeps the limits of the body as the body is sent.
"""

from __future__ import annotations

import json
from decimal import Decimal
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_spark import BatchConfiguration, create_intelligent_batches
from cio_spark.notebook.request import prepare_request

numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
leaves = st.none() | st.booleans() | numbers | st.text(st.characters(exclude_categories=["Cs"]), max_size=200)
requests = st.fixed_dictionaries(
    {"userId": st.text("abcdef", min_size=1, max_size=150), "event": st.text(max_size=20)},
    optional={
        "type": st.sampled_from(["track", "page"]),
        "messageId": st.text("0123456789", min_size=1, max_size=40),
        "properties": st.dictionaries(st.text("abcü", max_size=20), leaves, max_size=5),
    },
)
configurations = st.builds(
    BatchConfiguration,
    max_batch_size=st.integers(1, 40),
    max_batch_bytes=st.integers(1024, 8192),
    parallel_workers=st.integers(1, 20),
)


def body_bytes(batch: list[dict[str, Any]]) -> int:
    """Return the size in bytes of the body that the processor makes of a batch, with envelope and commas."""
    payloads = [prepare_request(request, 0, "").payload or "," for request in batch]
    return len(('{"batch":[' + "".join(payloads)[:-1] + "]}").encode())


@given(data=st.lists(requests, max_size=60), config=configurations)
def test_nothing_is_lost_or_reordered_and_no_limit_is_passed(
    data: list[dict[str, Any]], config: BatchConfiguration
) -> None:
    batches = create_intelligent_batches(data, config)

    assert [request for batch in batches for request in batch] == data
    for batch in batches:
        assert 1 <= len(batch) <= config.calculate_optimal_batch_size(len(data)) <= config.max_batch_size
        assert len(batch) == 1 or body_bytes(batch) <= config.max_batch_bytes
        plain = json.dumps({"batch": batch}, ensure_ascii=False, separators=(",", ":")).encode()
        assert len(batch) == 1 or len(plain) <= config.max_batch_bytes


@given(data=st.lists(requests, min_size=2, max_size=60), config=configurations)
def test_a_batch_is_only_ended_when_the_next_request_does_not_fit(
    data: list[dict[str, Any]], config: BatchConfiguration
) -> None:
    batches = create_intelligent_batches(data, config)
    size = config.calculate_optimal_batch_size(len(data))
    for batch, following in pairwise(batches):
        assert len(batch) == size or body_bytes([*batch, following[0]]) > config.max_batch_bytes


def test_the_notebooks_fifteen_events_make_three_batches_of_five() -> None:
    config = BatchConfiguration(max_batch_size=5, max_batch_bytes=1024, parallel_workers=2)
    data = [{"userId": f"user_{i}", "event": "Test Event", "properties": {"index": i}} for i in range(15)]
    assert [len(batch) for batch in create_intelligent_batches(data, config)] == [5, 5, 5]


def test_no_requests_make_no_batches() -> None:
    assert create_intelligent_batches([], BatchConfiguration()) == []


def test_a_body_is_filled_to_the_very_byte_and_no_further() -> None:
    exact = {"type": "track", "userId": "u", "event": "e", "properties": {"x": ""}}
    one = prepare_request(exact, 0, "").payload_bytes
    assert one is not None
    fill = 1024 - len('{"batch":[]}') - 2 * one - 1
    fits = [exact, {**exact, "properties": {"x": "y" * fill}}]
    config = BatchConfiguration(max_batch_bytes=1024)
    assert (len(create_intelligent_batches(fits, config)), body_bytes(fits)) == (1, 1024)
    over = [exact, {**exact, "properties": {"x": "y" * (fill + 1)}}]
    assert len(create_intelligent_batches(over, config)) == 2


def test_the_apis_own_limit_holds_whatever_is_configured() -> None:
    data = [{"userId": "u", "event": "e", "properties": {"x": "y" * 31_000}} for _ in range(40)]
    batches = create_intelligent_batches(data, BatchConfiguration(max_batch_bytes=1024 * 1024))
    assert max(map(body_bytes, batches)) <= 500_000
    assert len(batches) == 3


def test_what_is_no_json_stays_in_its_place() -> None:
    data: list[dict[str, Any]] = [{"userId": "u", "event": object()}, {"userId": "\ud800", "event": "e"}, {"a": 1}]
    assert create_intelligent_batches(data, BatchConfiguration()) == [data]


@pytest.mark.parametrize(
    ("value", "said"),
    [(Decimal("1.5"), 1.5), (Decimal("7"), 7), (UUID(int=0), "00000000-0000-0000-0000-000000000000")],
)
def test_values_that_rows_have_become_json_without_loss(value: Any, said: Any) -> None:
    payload = prepare_request({"userId": "u", "event": "e", "properties": {"v": value}}, 0, "").payload
    assert payload is not None
    assert json.loads(payload[:-1])["properties"]["v"] == said


@pytest.mark.parametrize("value", [Decimal("0.1234567890123456789"), Decimal("NaN"), Decimal("Infinity"), b"x"])
def test_values_that_json_would_falsify_are_refused(value: Any) -> None:
    assert prepare_request({"userId": "u", "event": "e", "v": value}, 3, "").error_code == "not_json"


@pytest.mark.parametrize(
    ("strategy", "sizes"),
    [
        ("size_based", [100, 100, 100, 100]),
        ("adaptive", [100, 100, 100, 100]),
        ("time_based", [25] * 16),
        # 3 MB for two workers are 83,333 bytes a request, and a record here has 10,000 bytes
        ("memory_based", [8] * 50),
    ],
)
def test_a_strategy_decides_about_the_first_requests(strategy: str, sizes: list[int]) -> None:
    config = BatchConfiguration(strategy=strategy, max_batch_size=100, parallel_workers=2, memory_budget_mb=3)
    length = 9_880 if strategy == "memory_based" else 10
    data = [{"type": "track", "userId": "u", "event": "e", "properties": {"x": "x" * length}} for _ in range(400)]
    assert [len(batch) for batch in create_intelligent_batches(data, config)] == sizes
