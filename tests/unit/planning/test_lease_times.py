"""Tests that a claim lasts as long as its run may send, and no longer.

The end of a wave is fixed before the wave starts.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from delivery_world import ScriptedClient, codes, deliver, row, settings_for
from hypothesis import given
from hypothesis import strategies as st

from cio_spark.clock import FakeClock
from cio_spark.delivery.exchange import Answer
from cio_spark.planning import longest_wave_seconds, send_window_seconds
from cio_spark.planning.lease_times import MOST_LEASES_PER_WAVE
from cio_spark.results import Claimant, RunState
from cio_spark.results.claimant import DEFAULT_LEASE_SECONDS, LONGEST_REQUEST_SECONDS, TakeOverReason
from cio_spark.results.setup import MOST_WAIT_SECONDS

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def test_set_up_waits_for_other_runs_as_long_as_their_claims_may_last() -> None:
    longest = MOST_LEASES_PER_WAVE * DEFAULT_LEASE_SECONDS + LONGEST_REQUEST_SECONDS
    assert longest < MOST_WAIT_SECONDS


def seconds(count: float) -> timedelta:
    return timedelta(seconds=count)


@pytest.mark.parametrize(
    ("planned", "window"), [(0.0, 180.0), (60.0, 180.0), (100.0, 300.0), (300.0, 900.0), (301.0, 900.0), (1e9, 900.0)]
)
def test_a_wave_may_send_three_times_as_long_as_planned_between_3_and_15_minutes(planned: float, window: float) -> None:
    assert send_window_seconds(planned, 180) == window


@given(st.floats(0.01, 5.0), st.integers(1, 180))
def test_the_longest_wave_fits_three_times_into_the_longest_window(minutes: float, lease: int) -> None:
    longest = longest_wave_seconds(minutes, lease)
    assert 0 < longest <= minutes * 60
    assert send_window_seconds(longest, lease) >= 3 * longest * (1 - 1e-9)


def run(*, owner: str = "elsewhere:1", job_attempt: str | None = None, expires: float, send_until: float) -> RunState:
    return RunState(
        run_id="R",
        sync="S",
        run_number=1,
        owner=owner,
        job_attempt=job_attempt,
        started_at=NOON,
        last_event_at=NOON,
        expires_at=NOON + seconds(expires),
        send_until=NOON + seconds(send_until),
        ended=False,
        settled=False,
        settled_others=False,
        configuration=None,
        source_version=None,
        taken_over_run=None,
        taken_over_wave=None,
    )


@pytest.mark.parametrize(
    ("claimant", "other", "may"),
    [
        (Claimant("me"), run(expires=1, send_until=-1), False),
        (Claimant("me"), run(expires=-1, send_until=-1), True),
        (Claimant("me", lambda owner: owner == "dead:1"), run(owner="dead:1", expires=900, send_until=900), True),
        (Claimant("me", takes_over=True), run(expires=900, send_until=900), True),
        (Claimant("me", job_attempt="7/sync/2"), run(job_attempt="7/sync/1", expires=180, send_until=-301), True),
        (Claimant("me", job_attempt="7/sync/2"), run(job_attempt="7/sync/1", expires=180, send_until=-299), False),
        (Claimant("me", job_attempt="7/sync/10"), run(job_attempt="7/sync/9", expires=180, send_until=-301), True),
        (Claimant("me", job_attempt="7/sync/1"), run(job_attempt="7/sync/2", expires=180, send_until=-301), False),
        (Claimant("me", job_attempt="7/sync/2"), run(job_attempt="7/sync/2", expires=180, send_until=-301), False),
        (Claimant("me", job_attempt="8/sync/2"), run(job_attempt="7/sync/1", expires=180, send_until=-301), False),
        (Claimant("me", job_attempt="7/other/2"), run(job_attempt="7/sync/1", expires=180, send_until=-301), False),
        (Claimant("me", job_attempt="7/sync/x"), run(job_attempt="7/sync/1", expires=180, send_until=-301), False),
        (Claimant("me", job_attempt="2"), run(job_attempt="1", expires=180, send_until=-301), False),
        (Claimant("me", job_attempt="7/sync/2"), run(expires=180, send_until=-301), False),
    ],
)
def test_a_run_without_an_end_is_taken_over_only_where_it_cannot_be_sending(
    claimant: Claimant, other: RunState, may: bool
) -> None:
    assert claimant.may_take_over(other, NOON) is may


@pytest.mark.parametrize(
    ("claimant", "reason"),
    [
        (Claimant("me", takes_over=True), TakeOverReason.TOLD),
        (Claimant("me", lambda owner: owner == "other:1"), TakeOverReason.OWNER_DEAD),
        (Claimant("me", job_attempt="7/sync/2"), TakeOverReason.LATER_TRY),
        (Claimant("me"), None),
    ],
)
def test_a_take_over_has_a_reason(claimant: Claimant, reason: TakeOverReason | None) -> None:
    other = run(owner="other:1", job_attempt="7/sync/1", expires=180, send_until=-301)
    assert claimant.reason_to_take_over(other, NOON) is reason
    assert Claimant("me").reason_to_take_over(run(expires=-1, send_until=-1), NOON) is TakeOverReason.CLAIM_EXPIRED


@pytest.mark.parametrize(
    ("configuration", "seconds_after"),
    [('{"batch": {"timeout_seconds": 30}}', 30), ('{"batch": {}}', 300), ("not JSON", 300), (None, 300)],
)
def test_a_later_try_waits_for_the_last_request_of_the_earlier_one(
    configuration: str | None, seconds_after: float
) -> None:
    earlier = replace(run(job_attempt="7/sync/1", expires=900, send_until=0), configuration=configuration)
    retry = Claimant("me", job_attempt="7/sync/2")
    assert retry.free_at(earlier) == NOON + seconds(seconds_after)
    assert not retry.may_take_over(earlier, NOON + seconds(seconds_after))
    assert retry.may_take_over(earlier, NOON + seconds(seconds_after + 0.1))


def test_a_claim_outlives_its_last_request_and_its_last_sign_of_life_by_a_lease() -> None:
    claimant = Claimant("me", lease_seconds=180, request_seconds=30)
    assert claimant.expiry(NOON, NOON + seconds(900)) == NOON + seconds(930)
    assert claimant.expiry(NOON, NOON) == NOON + seconds(180)


def test_no_request_is_started_after_the_end_of_the_wave_and_the_rest_is_not_attempted() -> None:
    clock = FakeClock()
    rows = [row(number) for number in range(10)]
    settings = settings_for(
        max_records=1, seconds_between_requests=10.0, send_until=clock.now() + seconds(35), retry_attempts=0
    )

    found = codes(deliver(settings, rows, clock, ScriptedClient))

    assert [found[f"r-{number}"] for number in range(3)] == [("accepted", None)] * 3
    assert [found[f"r-{number}"] for number in range(3, 10)] == [("not_attempted", "out_of_time")] * 7


def test_a_retry_is_given_up_when_the_time_of_the_wave_is_over() -> None:
    clock = FakeClock()
    settings = settings_for(
        retry_attempts=10, retry_backoff_seconds=60.0, send_until=clock.now() + seconds(100), circuit_failures=0
    )

    groups = deliver(settings, [row(1)], clock, lambda: ScriptedClient(Answer(503)))

    assert codes(groups) == {"r-1": ("failed", "http_503")}
    assert clock.now() <= NOON + seconds(101)
