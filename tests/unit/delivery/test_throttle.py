"""Tests that a 429 slows down the lane that got it, and that successes bring the lane back to its pace."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from delivery_world import JudgingClient, deliver, row, settings_for
from hypothesis import given

from cio_spark.clock import FakeClock
from cio_spark.delivery.classification import classify
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.pacing import Throttle
from cio_spark.delivery.stop import Stop, StopCode

OK, SLOW, DOWN = (classify(Answer(status)) for status in (200, 429, 503))


@pytest.mark.parametrize(
    ("interval", "gaps"), [(0.0, [0.125, 0.25, 0.5, 1.0, 2.0, 3.0, 3.0]), (1.0, [1.0, 2.0, 3.0]), (3.03, [3.0, 3.0])]
)
def test_the_gap_doubles_from_the_plans_interval_up_to_three_seconds(interval: float, gaps: list[float]) -> None:
    throttle = Throttle(interval, FakeClock())

    found = []
    for _ in gaps:
        throttle.record(SLOW)
        found.append(throttle.gap_seconds)
    assert found == gaps


@given(verdicts=st.lists(st.sampled_from([OK, SLOW, DOWN]), max_size=30), interval=st.floats(0, 5))
def test_a_few_successes_always_bring_the_pace_back(verdicts: list, interval: float) -> None:  # type: ignore[type-arg]
    throttle = Throttle(interval, FakeClock())
    for verdict in verdicts:
        throttle.record(verdict)
    for _ in range(5):
        throttle.record(OK)
    assert throttle.gap_seconds == 0.0


def test_a_stop_ends_the_gap() -> None:
    clock = FakeClock()
    throttle, stop = Throttle(0.0, clock), Stop(clock)
    throttle.record(SLOW)
    stop.set(StopCode.STOPPED, "over")
    throttle.wait(stop)

    assert clock.sleeps == []


def test_requests_after_429s_keep_the_gap_and_it_counts_as_throttled() -> None:
    clock = FakeClock()
    answers = itertools.chain([Answer(429, retry_after_seconds=0.0)] * 3, itertools.repeat(Answer(200)))
    client = JudgingClient(lambda _: next(answers), clock)

    groups = deliver(settings_for(max_records=1), [row(number) for number in range(6)], clock, lambda: client)

    waits = [after - before for before, after in itertools.pairwise(client.times)]
    assert waits == [0.125, 0.25, 0.5, 0.25, 0.125, 0.0, 0.0, 0.0]
    assert [group.batch.throttled_seconds for group in groups if group.batch] == [0.875, 0.25, 0.125, 0.0, 0.0, 0.0]
