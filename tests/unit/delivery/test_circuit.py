"""Tests the circuit breaker.

It leaves a failing API alone, tries it with one request at a time, and gives it up in the end.
"""

from __future__ import annotations

import itertools
import threading
from typing import Any

import hypothesis.strategies as st
import pytest
from delivery_world import JudgingClient, ScriptedClient, codes, deliver, fates, row, settings_for
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from cio_spark.clock import FakeClock, SystemClock
from cio_spark.config import ErrorHandlingStrategy
from cio_spark.delivery import ProcessState
from cio_spark.delivery.circuit import Circuit, CircuitChange, Permit
from cio_spark.delivery.classification import classify
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.retry import MAX_WAIT_SECONDS, RETRY_BUDGET_SECONDS
from cio_spark.delivery.stop import Stop, StopCode

OK, BAD, SLOW, DOWN = (classify(Answer(status, f"HTTP {status}")) for status in (200, 400, 429, 503))
NOT_SENT = ("not_attempted", "circuit_open")


def opened(clock: FakeClock, failures: int = 2, budget_seconds: float = 100.0) -> Circuit:
    circuit = Circuit(failures, budget_seconds, clock)
    for _ in range(failures):
        circuit.record(circuit.ask(Stop(clock)), DOWN)
    return circuit


@pytest.mark.parametrize("failures", [1, 2, 5])
def test_it_opens_after_so_many_failures_in_a_row(failures: int) -> None:
    clock = FakeClock()
    circuit = Circuit(failures, 100.0, clock)
    for verdict in [DOWN] * (failures - 1) + [OK] + [SLOW] * (failures - 1) + [BAD] + [DOWN] * failures:
        assert circuit.ask(Stop(clock)) is Permit.SEND
        circuit.record(Permit.SEND, verdict)

    assert clock.seconds == 0.0
    assert circuit.ask(Stop(clock)) is Permit.TRIAL
    assert clock.seconds == 5.0


def test_whoever_hands_a_permit_back_learns_once_what_it_has_changed() -> None:
    clock = FakeClock()
    circuit = Circuit(2, 60.0, clock)

    def hand_back(verdict: Any) -> CircuitChange | None:
        return circuit.record(circuit.ask(Stop(clock)), verdict)

    late = circuit.ask(Stop(clock))
    assert [hand_back(verdict) for verdict in (DOWN, DOWN)] == [None, CircuitChange.OPENED]
    assert circuit.seconds_until_trial == 5.0
    assert circuit.record(late, DOWN) is None  # it was under way when the circuit opened
    assert [hand_back(verdict) for verdict in (DOWN, OK, OK)] == [None, CircuitChange.CLOSED, None]
    assert circuit.seconds_until_trial == 0.0
    changes = [hand_back(DOWN) for _ in range(7)]
    assert [change for change in changes if change is not None] == [CircuitChange.OPENED, CircuitChange.GAVE_UP]
    assert circuit.record(Permit.SEND, DOWN) is None


def test_cool_downs_double_up_to_a_minute_and_the_last_trial_is_at_the_budgets_end() -> None:
    clock = FakeClock()
    circuit = opened(clock, budget_seconds=300.0)
    trials = []
    while (permit := circuit.ask(Stop(clock))) is Permit.TRIAL:
        trials.append(clock.seconds)
        circuit.record(permit, DOWN)

    assert trials == [5, 15, 35, 75, 135, 195, 255, 300]
    assert "HTTP 503" in str(circuit.given_up)
    circuit.record(Permit.SEND, OK)
    assert circuit.ask(Stop(clock)) is Permit.REFUSED


def test_a_success_closes_it_and_the_next_outage_starts_anew() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    circuit.record(circuit.ask(Stop(clock)), OK)

    assert [circuit.ask(Stop(clock)) for _ in range(3)] == [Permit.SEND] * 3
    clock.seconds = 1000.0
    for _ in range(2):
        circuit.record(Permit.SEND, DOWN)
    assert circuit.ask(Stop(clock)) is Permit.TRIAL
    assert clock.seconds == 1005.0


@pytest.mark.parametrize("verdict", [None, classify(Answer(407))])
def test_a_trial_that_tells_nothing_is_handed_on(verdict: Any) -> None:
    clock = FakeClock()
    circuit = opened(clock)
    circuit.record(circuit.ask(Stop(clock)), verdict)

    assert circuit.ask(Stop(clock)) is Permit.TRIAL


def test_answers_from_before_it_opened_do_not_reopen_it_but_a_success_closes_it() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    trial = circuit.ask(Stop(clock))
    circuit.record(Permit.SEND, DOWN)
    circuit.record(Permit.SEND, OK)
    assert circuit.ask(Stop(clock)) is Permit.SEND

    clock.seconds = 1000.0
    circuit.record(trial, DOWN)
    assert circuit.given_up is None
    assert circuit.ask(Stop(clock)) is Permit.SEND


def test_a_stop_ends_the_wait() -> None:
    clock = FakeClock()
    stop = Stop(clock)
    stop.set(StopCode.STOPPED, "over")

    assert opened(clock).ask(stop) is Permit.REFUSED
    assert clock.seconds == 0.0


def test_while_one_lane_tries_the_others_wait_for_its_answer() -> None:
    clock = FakeClock()
    circuit = opened(clock)
    trial = circuit.ask(Stop(clock))
    permits: list[Permit] = []
    others = [threading.Thread(target=lambda: permits.append(circuit.ask(Stop(clock)))) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in others:
        thread.join(0.05)
    assert permits == []
    assert clock.seconds == 5.0

    circuit.record(trial, OK)
    for thread in others:
        thread.join(10)
    assert permits == [Permit.SEND] * 3


def test_an_outage_within_the_budget_costs_failed_batches_but_does_not_end_the_partition() -> None:
    clock = FakeClock()
    client = JudgingClient(lambda _: Answer(200) if clock.seconds > 100 else Answer(503), clock)
    settings = settings_for(max_records=1, error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR)

    groups = deliver(settings, [row(number) for number in range(50)], clock, lambda: client)

    assert client.times[:10] == [0, 0, 0, 0, 0, 5, 15, 35, 75, 135]
    assert list(fates(groups).values()) == ["failed"] * 9 + ["accepted"] * 41
    assert [group.batch.throttled_seconds for group in groups if group.batch][4:10] == [0, 5, 10, 20, 40, 60]


def test_an_api_that_stays_away_ends_this_partition_and_the_next_at_its_first_batch() -> None:
    clock = FakeClock()
    client = JudgingClient(lambda _: Answer(None, "no connection", failure=Failure.CONNECTION), clock)
    settings = settings_for(max_records=1, retry_attempts=1, circuit_failures=3, circuit_budget_seconds=20.0)
    process = ProcessState(settings, clock, lambda: client)

    groups = deliver(settings, [row(number) for number in range(50)], process=process)
    requests = len(client.requests)
    later = deliver(settings, [row(number) for number in range(50)], process=process)

    assert list(codes(groups).values()) == [("failed", "connection")] * (requests // 2) + [NOT_SENT] * (
        50 - requests // 2
    )
    assert "no connection" in str(groups[-1].error_message)
    assert requests == 6
    # the last trial may be a retry, with its jitter of up to 4 s
    assert 20.0 <= clock.seconds <= 24.0
    assert set(codes(later).values()) == {NOT_SENT}
    assert {group.batch_id for group in later} == {None}
    assert len(client.requests) == requests


def test_giving_up_amid_a_bisection_fails_the_rest_of_that_batch() -> None:
    clock = FakeClock()
    answers = itertools.chain([Answer(400), Answer(200)], itertools.repeat(Answer(503)))
    settings = settings_for(max_records=8, circuit_failures=1, circuit_budget_seconds=0.0)

    groups = deliver(
        settings, [row(number) for number in range(10)], clock, lambda: JudgingClient(lambda _: next(answers))
    )

    assert list(codes(groups).values()) == [("accepted", None)] * 4 + [("failed", "http_503")] * 4 + [NOT_SENT] * 2


def test_a_lane_that_crashes_in_its_trial_does_not_block_the_others() -> None:
    class Crashing(ScriptedClient):
        def post_batch(self, body: bytes, *args: Any, **options: Any) -> Answer:
            if len(self.bodies) == 1:
                raise RuntimeError("a defect")
            return super().post_batch(body, *args, **options)

    settings = settings_for(circuit_failures=1)
    process = ProcessState(settings, FakeClock(), lambda: Crashing(Answer(503)))
    with pytest.raises(RuntimeError, match="a defect"):
        deliver(settings, [row(1)], process=process)

    assert process.circuit.ask(Stop(process.clock)) is Permit.TRIAL


def test_several_lanes_share_the_circuit_in_real_time() -> None:
    clock = SystemClock()
    client = ScriptedClient(Answer(503))
    settings = settings_for(
        lanes=4, max_records=1, circuit_failures=2, circuit_budget_seconds=0.2, retry_backoff_seconds=0.1
    )

    groups = deliver(settings, [row(number, lane=number) for number in range(40)], clock, lambda: client)

    assert set(fates(groups).values()) == {"failed", "not_attempted"}
    assert len(client.bodies) <= 2 + 4 + 1
    assert {group.error_code for group in groups if group.status == "not_attempted"} == {"circuit_open"}


OUTAGE = [Answer(503), Answer(None, failure=Failure.TIMEOUT), Answer(429), Answer(503, retry_after_seconds=300.0)]


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    answers=st.lists(st.sampled_from([*OUTAGE, Answer(200), Answer(400)]), min_size=1, max_size=30),
    retries=st.integers(0, 10),
    failures=st.integers(0, 4),
    budget_seconds=st.sampled_from([0.0, 10.0, 300.0]),
)
def test_retries_are_bounded_in_attempts_and_in_time_whatever_is_answered(
    answers: list[Answer], retries: int, failures: int, budget_seconds: float
) -> None:
    clock = FakeClock()
    client = ScriptedClient(*answers)
    settings = settings_for(
        max_records=1, retry_attempts=retries, circuit_failures=failures, circuit_budget_seconds=budget_seconds
    )

    groups = deliver(settings, [row(number) for number in range(4)], clock, lambda: client)

    assert len(fates(groups)) == 4
    assert all(group.attempts <= 1 + retries for group in groups)
    for group in groups:
        if group.batch is not None:
            spent = (group.batch.completed_at - group.batch.started_at).total_seconds()
            assert spent <= RETRY_BUDGET_SECONDS + MAX_WAIT_SECONDS + budget_seconds + 3.0


@hypothesis_settings(max_examples=30, deadline=None)
@given(failures=st.integers(1, 5), budget_seconds=st.floats(0, 1000), rows=st.integers(1, 200))
def test_an_outage_costs_a_bounded_number_of_requests(failures: int, budget_seconds: float, rows: int) -> None:
    clock = FakeClock()
    client = JudgingClient(lambda _: Answer(503), clock)
    settings = settings_for(
        max_records=1,
        error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR,
        circuit_failures=failures,
        circuit_budget_seconds=budget_seconds,
    )

    deliver(settings, [row(number) for number in range(rows)], clock, lambda: client)

    assert len(client.requests) <= min(rows, failures + 5 + budget_seconds / 60)
    assert clock.seconds <= budget_seconds + 1e-6
