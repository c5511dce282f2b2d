"""Tests that plans keep to the rate, the workers and the API's limits on any number of slots."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cio_spark.config import BatchConfiguration
from cio_spark.config.api_limits import MAX_BODY_BYTES
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.planning import Pacing, divide_rate, plan_delivery

rates = st.integers(1, 1000)
shares = st.floats(0.001, 1.0)
workers = st.integers(1, 20)
slots = st.builds(Slots, st.integers(1, 500), st.booleans())


@given(rates, workers, st.integers(1, 500))
def test_all_tasks_together_never_pass_the_rate_over_three_seconds(rate: int, parallel: int, tasks: int) -> None:
    pacing = divide_rate(rate, parallel, tasks)
    per_task = math.ceil(3.0 / pacing.seconds_between_requests)  # most requests in any half-open window of 3 s
    assert pacing.tasks * per_task <= 3 * rate


@given(rates, workers, st.integers(1, 500))
def test_at_least_94_percent_of_the_rate_can_be_used(rate: int, parallel: int, tasks: int) -> None:
    # The division of the rate leaves at least 95 %, and the margin for timers takes 1 % of it
    assert divide_rate(rate, parallel, tasks).requests_per_second >= 0.94 * rate


@given(rates, st.lists(shares, min_size=1, max_size=5), workers, st.integers(1, 500))
def test_syncs_whose_shares_add_up_to_one_never_pass_the_rate_together(
    rate: int, parts: list[float], parallel: int, tasks: int
) -> None:
    # A share of less than a request in 3 s still sends one now and then, so the window here is half a minute
    together = 0
    for part in parts:
        pacing = divide_rate(rate * part / sum(parts), parallel, tasks)
        together += pacing.tasks * math.ceil(30.0 / pacing.seconds_between_requests)
        assert pacing.tasks * pacing.lanes <= parallel
    assert together <= 30 * rate + len(parts)


def test_a_share_of_the_rate_makes_a_plan_slower_and_says_so() -> None:
    batch, on = BatchConfiguration(rate_limit_rps=10), Slots(2, True)
    whole = plan(batch, on, 100_000)
    quarter = plan_delivery(batch, on, records=100_000, payload_bytes=30_000_000, share_of_rate=0.25)

    assert quarter.eta_seconds == pytest.approx(4 * whole.eta_seconds, rel=0.2)
    assert quarter.concurrent_tasks / quarter.seconds_between_requests <= 2.5
    assert quarter.limited_by == "rate_limit_rps = 10 requests/s, of which api.share_of_rate = 0.25"
    assert divide_rate(100 * 0.29, 4, 1) == divide_rate(29, 4, 1)
    # Half a request in 3 s is one request in 6 s
    half = divide_rate(1 / 6, 4, 8)
    assert half == Pacing(tasks=1, lanes=4, seconds_between_requests=half.seconds_between_requests)
    assert half.seconds_between_requests == pytest.approx(6 * 1.01)


@given(rates, workers, st.integers(1, 500))
def test_tasks_times_lanes_never_pass_the_workers(rate: int, parallel: int, tasks: int) -> None:
    pacing = divide_rate(rate, parallel, tasks)
    assert 1 <= pacing.tasks <= tasks
    assert pacing.tasks * pacing.lanes <= parallel


def plan(batch: BatchConfiguration, on: Slots, records: int, size: int = 300) -> DeliveryPlan:
    return plan_delivery(batch, on, records=records, payload_bytes=records * size)


@given(workers, rates, slots, st.integers(0, 10**8))
def test_no_more_tasks_run_than_were_planned_for_even_if_slots_are_added(
    parallel: int, rate: int, on: Slots, records: int
) -> None:
    made = plan(BatchConfiguration(parallel_workers=parallel, rate_limit_rps=rate), on, records)
    most_running = made.partitions if not on.fixed else min(made.partitions, on.count)
    assert most_running <= made.concurrent_tasks
    assert most_running * made.lanes <= parallel


def test_fixed_slots_get_about_two_hundred_batches_a_partition_between_one_and_eight_times_the_slots() -> None:
    batch = BatchConfiguration(parallel_workers=4, max_batch_size=1000)
    assert plan(batch, Slots(2, True), 10_000).partitions == 2
    assert plan(batch, Slots(2, True), 900_000).partitions == 6
    assert plan(batch, Slots(2, True), 10_000_000).partitions == 16
    assert plan(batch, Slots(2, True), 10_000_000).lanes == 2


def test_slots_that_may_grow_or_are_many_get_as_many_partitions_as_may_run_at_once() -> None:
    batch = BatchConfiguration(parallel_workers=4)
    assert plan(batch, Slots(2, False), 10_000_000).partitions == 2
    assert plan(batch, Slots(64, True), 10_000_000).partitions == 4
    assert plan(batch, Slots(64, True), 500).partitions == 4  # 4 batches of 125


def test_the_balanced_batch_size_cuts_the_delivery() -> None:
    batch = BatchConfiguration(parallel_workers=4, max_batch_size=1000)
    sizes = {records: plan(batch, Slots(2, True), records).max_records for records in (10_000, 1500, 100)}
    assert sizes == {10_000: 1000, 1500: 375, 100: 25}
    assert plan(batch, Slots(2, True), 10_000).batches == 10


@given(st.integers(1024, 1024 * 1024), st.integers(0, 10**7), st.integers(1, 32_000))
def test_bodies_never_pass_what_the_api_takes_and_batches_are_enough_for_the_bytes(
    limit: int, records: int, size: int
) -> None:
    made = plan(BatchConfiguration(max_batch_bytes=limit), Slots(2, True), records, size)
    assert made.max_bytes == min(limit, MAX_BODY_BYTES)
    assert made.batches * made.max_bytes >= records * size


def test_nothing_to_send_needs_no_time_and_no_request() -> None:
    made = plan(BatchConfiguration(), Slots(2, True), 0)
    assert (made.batches, made.eta_seconds) == (0, 0.0)


def test_the_plan_says_what_limits_the_speed() -> None:
    slow = plan(BatchConfiguration(rate_limit_rps=1), Slots(2, True), 100_000)
    assert slow.limited_by.startswith("rate_limit_rps = 1 ")
    narrow = plan(BatchConfiguration(rate_limit_rps=1000, parallel_workers=1), Slots(1, True), 100_000)
    assert narrow.limited_by.startswith("parallel_workers = 1 ")
    uneven = plan(BatchConfiguration(rate_limit_rps=1000, parallel_workers=7), Slots(4, True), 100_000)
    assert uneven.limited_by == (
        "parallel_workers = 7, of which 4 are used: 4 task slots with 1 request each, at an assumed 0.25 s a request"
    )
    pairs = plan(BatchConfiguration(rate_limit_rps=1000, parallel_workers=11), Slots(4, True), 100_000)
    assert "of which 8 are used: 4 task slots with 2 requests each" in pairs.limited_by
    assert "are used" not in plan(BatchConfiguration(rate_limit_rps=1000), Slots(4, True), 100_000).limited_by
    # No worker is left over for which there would be a batch
    assert "are used" not in plan(BatchConfiguration(parallel_workers=7), Slots(3, False), 3).limited_by
    small = plan(BatchConfiguration(rate_limit_rps=1000, parallel_workers=20), Slots(1, True), 10_000_000)
    assert "task slots" in small.limited_by


def test_device_events_go_one_by_one() -> None:
    made = plan_delivery(
        BatchConfiguration(), Slots(2, True), records=100, payload_bytes=10_000, one_item_per_request=True
    )
    assert (made.max_records, made.batches) == (1, 100)
