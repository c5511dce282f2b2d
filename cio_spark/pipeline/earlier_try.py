"""Lets a retry of a task of a Databricks job wait until its dead predecessor may send no more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cio_spark.clock import Clock
from cio_spark.errors import RunCancelledError, SyncAlreadyRunningError
from cio_spark.results import ClaimOpening
from cio_spark.runtime.cancellation import Cancellation

LONGEST_WAIT_SECONDS = 960.0
"""A wave may send for 900 seconds at most (five leases of 180 seconds); one minute is for clocks that differ."""
_LOOK_SECONDS = 1.0


def wait_for_earlier_try(
    read_claims: Callable[[], ClaimOpening],
    tell: Callable[[SyncAlreadyRunningError], None],
    *,
    cancellation: Cancellation,
    clock: Clock,
) -> ClaimOpening:
    """Read the claims of a sync, and read them again when an earlier try of the same task may send no more.

    A platform that starts a retry has ended the try before it, but the claim of that try stands. To refuse would use up
    the retry. If the other run turns out to be alive, because it announces later and later times, the wait ends too.

    Args:
        read_claims: reads the claims; see `results.read_claims`.
        tell: called with the refusal before the first wait.
        cancellation: tells whether the run is to stop.
        clock: source of time.

    Raises:
        SyncAlreadyRunningError: another run has the claim, and it is no earlier try, or it does not end.
        RunCancelledError: the run was cancelled while it waited.
    """
    deadline = clock.monotonic() + LONGEST_WAIT_SECONDS
    told = False
    while True:
        try:
            return read_claims()
        except SyncAlreadyRunningError as error:
            if error.free_at is None or clock.monotonic() + _seconds_until(error.free_at, clock) > deadline:
                raise
            if not told:
                tell(error)
                told = True
            _wait_until(error.free_at, cancellation, clock)


def _wait_until(moment: datetime, cancellation: Cancellation, clock: Clock) -> None:
    """Wait until a moment has passed; always wait a little, so that the claims are not read without a pause."""
    while True:
        if cancellation.requested:
            raise RunCancelledError(
                "cancelled while it waited for the end of an earlier try of its task; nothing was sent",
                cancellation.exit_status,
            )
        clock.sleep(min(_LOOK_SECONDS, max(_seconds_until(moment, clock), _LOOK_SECONDS / 10)))
        if _seconds_until(moment, clock) < 0:
            return


def _seconds_until(moment: datetime, clock: Clock) -> float:
    return (moment - clock.now()).total_seconds()
