"""Tests that the schedule never grants more than the rate, in any window of three seconds."""

from __future__ import annotations

import itertools
import math

import hypothesis.strategies as st
from hypothesis import given, settings

from cio_spark.clock import FakeClock
from cio_spark.delivery.pacing import RateSchedule

TINY = 1e-9


@settings(max_examples=100, deadline=None)
@given(
    interval=st.sampled_from([0.003, 0.03, 0.25, 1.0, 3.03]),
    delays=st.lists(st.floats(0, 5), min_size=1, max_size=60),
    late_seconds=st.sampled_from([0.0, 0.001, 0.4]),
)
def test_grants_keep_their_distance_whatever_the_lanes_do(
    interval: float, delays: list[float], late_seconds: float
) -> None:
    clock = FakeClock(late_seconds)
    schedule = RateSchedule(interval, clock)
    grants = [0.0]  # the previous process may have sent a request when this one started
    for delay in delays:
        clock.seconds += delay
        schedule.wait_turn()
        grants.append(clock.seconds)

    assert all(after - before >= interval - TINY for before, after in itertools.pairwise(grants))
    for first in grants:
        assert sum(first <= grant < first + 3 - TINY for grant in grants) <= math.ceil(3 / interval)


def test_waiting_lanes_use_the_whole_rate() -> None:
    clock = FakeClock()
    schedule = RateSchedule(0.25, clock)

    waits = [schedule.wait_turn() for _ in range(40)]

    assert clock.seconds == 10.0
    assert waits == [0.25] * 40


def test_idle_time_is_not_caught_up() -> None:
    clock = FakeClock()
    schedule = RateSchedule(1.0, clock)
    clock.seconds = 100.0

    assert [schedule.wait_turn() for _ in range(3)] == [0.0, 1.0, 1.0]


def test_nobody_waits_in_a_partition_that_has_stopped() -> None:
    clock = FakeClock()

    assert RateSchedule(3.0, clock).wait_turn(lambda: True) == 0.0
    assert clock.sleeps == []
