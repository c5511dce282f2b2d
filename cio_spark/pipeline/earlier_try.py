"""Lets a retry of a task of a Databricks job wait until the last request of its dead predecessor has ended."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from cio_spark.clock import EXPECTED_CLOCK_DIFFERENCE, Clock
from cio_spark.errors import SyncAlreadyRunningError
from cio_spark.results import ClaimOpening
from cio_spark.runtime.cancellation import Cancellation

LONGEST_WAIT_SECONDS = 1200.0 + EXPECTED_CLOCK_DIFFERENCE.total_seconds()
"""A wave may send for 900 seconds at most (five leases of 180 seconds), and its last request may take 300 seconds.

The end of the predecessor is told by the storage's clock, from which this machine's clock may differ.
"""
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
    """Wait until a moment has passed; always wait a little, so that the claims are not read without a pause.

    The wall clock is read once: if it is set back meanwhile, the wait does not become longer.
    """
    until = clock.monotonic() + max(_seconds_until(moment, clock), 0.0)
    while True:
        cancellation.raise_if_requested("it waited for the end of an earlier try of its task")
        clock.sleep(min(_LOOK_SECONDS, max(until - clock.monotonic(), _LOOK_SECONDS / 10)))
        if clock.monotonic() > until:
            return


def _seconds_until(moment: datetime, clock: Clock) -> float:
    return (moment - clock.now()).total_seconds()
