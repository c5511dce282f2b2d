"""Tests that a retry waits for the end of its dead predecessor, and for nothing else."""

from __future__ import annotations

import signal
from datetime import datetime, timedelta, timezone

import pytest

from cio_spark.clock import FakeClock
from cio_spark.errors import ExitStatus, RunCancelledError, SyncAlreadyRunningError
from cio_spark.pipeline.earlier_try import LONGEST_WAIT_SECONDS, wait_for_earlier_try
from cio_spark.results import ClaimOpening, RunHistory
from cio_spark.runtime.cancellation import Cancellation

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
OPENING = ClaimOpening("orders", RunHistory([]), (), NOON)


class Claims:
    """Refuses until a time has passed, as `read_claims` does; counts how often it was read."""

    def __init__(self, clock: FakeClock, free_after: float, *, says_when: bool = True, renews: bool = False) -> None:
        self.clock, self.free_after, self.says_when, self.renews = clock, free_after, says_when, renews
        self.reads = 0
        self.told: list[datetime | None] = []

    def read(self) -> ClaimOpening:
        self.reads += 1
        if self.clock.seconds > self.free_after:
            return OPENING
        if self.renews:
            self.free_after = self.clock.seconds + 300
        free_at = NOON + timedelta(seconds=min(self.free_after, self.clock.seconds + 60 if self.renews else 1e6))
        raise SyncAlreadyRunningError("held", "r1", free_at if self.says_when else None)

    def tell(self, error: SyncAlreadyRunningError) -> None:
        self.told.append(error.free_at)


def wait(claims: Claims, cancellation: Cancellation | None = None) -> ClaimOpening:
    return wait_for_earlier_try(
        claims.read, claims.tell, cancellation=cancellation or Cancellation(claims.clock), clock=claims.clock
    )


def test_a_free_sync_is_opened_without_a_wait() -> None:
    clock = FakeClock()
    assert wait(Claims(clock, -1)) is OPENING
    assert clock.sleeps == []


def test_a_retry_goes_on_at_once_when_its_predecessor_may_send_no_more() -> None:
    claims = Claims(FakeClock(), 75.4)
    assert wait(claims) is OPENING
    assert 75.4 < claims.clock.seconds < 76.5
    assert (claims.reads, claims.told) == (2, [NOON + timedelta(seconds=75.4)])


def test_a_run_that_is_no_predecessor_is_not_waited_for() -> None:
    claims = Claims(FakeClock(), 1, says_when=False)
    with pytest.raises(SyncAlreadyRunningError):
        wait(claims)
    assert (claims.reads, claims.clock.sleeps) == (1, [])


def test_a_predecessor_that_goes_on_sending_is_not_waited_for_without_end() -> None:
    claims = Claims(FakeClock(), 60, renews=True)
    with pytest.raises(SyncAlreadyRunningError):
        wait(claims)
    assert LONGEST_WAIT_SECONDS - 120 < claims.clock.seconds <= LONGEST_WAIT_SECONDS
    assert len(claims.told) == 1


class SetBack(FakeClock):
    """Shows a wall clock that is set back by an hour while somebody waits."""

    def now(self) -> datetime:
        return super().now() - timedelta(hours=1 if self.seconds > 10 else 0)


def test_a_clock_that_is_set_back_does_not_make_the_wait_longer() -> None:
    claims = Claims(SetBack(), 75.4)
    assert wait(claims) is OPENING
    assert 75.4 < claims.clock.seconds < 76.5


@pytest.mark.parametrize(("minutes", "waits"), [(29, True), (31, False)])
def test_the_end_of_a_predecessor_may_seem_later_by_the_difference_of_two_clocks(minutes: int, waits: bool) -> None:
    # The longest wave and its last request take 20 minutes; the clocks of two machines may differ by ten
    claims = Claims(FakeClock(), 60 * minutes)
    if waits:
        assert wait(claims) is OPENING
    else:
        with pytest.raises(SyncAlreadyRunningError):
            wait(claims)
        assert claims.clock.sleeps == []


@pytest.mark.parametrize(
    ("number", "status"),
    [(signal.SIGTERM, ExitStatus.CANCELLED_SIGTERM), (signal.SIGINT, ExitStatus.CANCELLED_SIGINT)],
)
def test_a_retry_that_waits_can_be_cancelled(number: int, status: ExitStatus) -> None:
    claims = Claims(FakeClock(), 75)
    cancellation = Cancellation(claims.clock)
    cancellation.request(number)
    with pytest.raises(RunCancelledError) as caught:
        wait(claims, cancellation)
    assert (caught.value.exit_status, claims.clock.sleeps) == (status, [])
