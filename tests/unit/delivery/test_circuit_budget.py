"""Tests that the circuit's budget bounds an outage.

This must hold for every mix of transient answers, whatever wait they ask for.
"""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import pytest
from delivery_world import JudgingClient, codes, deliver, fates, row, settings_for
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from cio_spark.clock import FakeClock
from cio_spark.config import ErrorHandlingStrategy
from cio_spark.delivery.circuit import Circuit, Permit
from cio_spark.delivery.classification import classify
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.stop import Stop

BUDGET = 300.0
BUSY = Answer(429, "busy", retry_after_seconds=300.0)
DOWN = classify(Answer(503))


def outage(*answers: Answer) -> tuple[FakeClock, JudgingClient]:
    """Return a clock, and a client that gives these answers and repeats the last one for ever."""
    clock = FakeClock()
    coming = itertools.chain(answers, itertools.repeat(answers[-1]))
    return clock, JudgingClient(lambda _: next(coming), clock)


@pytest.mark.parametrize("setting", [ErrorHandlingStrategy.RETRY_WITH_BACKOFF, ErrorHandlingStrategy.CONTINUE_ON_ERROR])
def test_fifty_batches_that_are_told_to_wait_five_minutes_end_with_the_budget(setting: ErrorHandlingStrategy) -> None:
    clock, client = outage(BUSY)

    rows = [row(number) for number in range(50)]
    groups = deliver(settings_for(max_records=1, error_handling=setting), rows, clock, lambda: client)

    assert clock.seconds == BUDGET
    assert set(codes(groups).values()) == {("failed", "http_429"), ("not_attempted", "circuit_open")}
    assert len(client.requests) <= 6


def test_a_circuit_that_503s_have_opened_is_not_kept_half_open_by_429s() -> None:
    clock, client = outage(*[Answer(503)] * 5, Answer(429))
    settings = settings_for(max_records=1, error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR)

    groups = deliver(settings, [row(number) for number in range(50)], clock, lambda: client)

    assert client.times == [0, 0, 0, 0, 0, 5, 15, 35, 75, 135, 195, 255, 300]
    assert list(codes(groups).values())[-1] == ("not_attempted", "circuit_open")


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_refusal_of_a_record_proves_that_the_api_is_there(status: int) -> None:
    clock, client = outage(*([Answer(503)] * 4 + [Answer(status)]) * 6, Answer(200))
    settings = settings_for(max_records=1, error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR)

    found = fates(deliver(settings, [row(number) for number in range(40)], clock, lambda: client))

    assert clock.seconds == 0.0
    assert [found[f"r-{number}"] for number in range(40)] == (["failed"] * 4 + ["rejected"]) * 6 + ["accepted"] * 10


def test_an_answer_that_says_how_long_to_wait_is_obeyed_by_all_lanes_up_to_the_budgets_end() -> None:
    clock = FakeClock()
    circuit = Circuit(1, BUDGET, clock)
    trials = []
    circuit.record(circuit.ask(Stop(clock)), classify(Answer(503, retry_after_seconds=100.0)))
    while (permit := circuit.ask(Stop(clock))) is Permit.TRIAL:
        trials.append(clock.seconds)
        circuit.record(permit, classify(Answer(429, retry_after_seconds=170.0)))

    assert trials == [100, 270, 300]


def test_failures_far_apart_without_a_success_between_end_with_a_trial_too() -> None:
    clock = FakeClock()
    circuit = Circuit(5, BUDGET, clock)
    for _ in range(2):
        assert circuit.ask(Stop(clock)) is Permit.SEND
        circuit.record(Permit.SEND, DOWN)
        clock.seconds += 150.0
    assert circuit.ask(Stop(clock)) is Permit.TRIAL
    circuit.record(Permit.TRIAL, classify(Answer(200)))
    assert [circuit.ask(Stop(clock)) for _ in range(2)] == [Permit.SEND] * 2
    assert circuit.given_up is None


def test_a_failure_before_a_long_pause_between_waves_is_not_held_against_the_api_after_it() -> None:
    clock = FakeClock()
    circuit = Circuit(5, BUDGET, clock)
    circuit.record(circuit.ask(Stop(clock)), DOWN)
    clock.seconds = 1000.0

    assert circuit.ask(Stop(clock)) is Permit.SEND
    circuit.record(Permit.SEND, DOWN)
    assert circuit.seconds_left == BUDGET
    assert circuit.given_up is None


def test_the_reason_for_giving_up_quotes_nothing_that_the_api_said() -> None:
    clock, client = outage(Answer(429, "HTTP 429: someone@example.com is over its limit", retry_after_seconds=300.0))

    groups = deliver(settings_for(max_records=1), [row(number) for number in range(9)], clock, lambda: client)

    messages = {group.error_message for group in groups if group.status == "not_attempted"}
    assert len(messages) == 1
    assert "HTTP 429" in str(messages)
    assert "example.com" not in str(messages)


ANSWERS = [
    Answer(None, failure=Failure.TIMEOUT),
    *[Answer(status, retry_after_seconds=wait) for status in (429, 503, 425, 520) for wait in (None, 0.0, 60.0, 300.0)],
]


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    answers=st.lists(st.sampled_from(ANSWERS), min_size=1, max_size=12),
    lanes=st.integers(1, 3),
    retries=st.integers(0, 10),
    seconds_of_a_request=st.sampled_from([0.0, 1.0, 30.0]),
)
def test_no_outage_lasts_longer_than_the_budget_and_its_last_requests(
    answers: list[Answer], lanes: int, retries: int, seconds_of_a_request: float
) -> None:
    clock = FakeClock()
    coming = itertools.cycle(answers)

    def slowly(_: list[int]) -> Answer:
        clock.sleep(seconds_of_a_request)
        return next(coming)

    settings = settings_for(max_records=1, lanes=lanes, retry_attempts=retries)
    groups = deliver(
        settings, [row(number, lane=number) for number in range(100)], clock, lambda: JudgingClient(slowly)
    )

    assert len(fates(groups)) == 100
    assert set(fates(groups).values()) == {"failed", "not_attempted"}
    # The bound adds to the budget: the first request, whose failure begins it, a request that is under way when it
    # ends, the last trial, and the lane's gap after a 429. On this clock the sleeps of the lanes add up
    assert clock.seconds <= lanes * (BUDGET + 3 * seconds_of_a_request + 4.0)
