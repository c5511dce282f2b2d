"""Waits for a state that can be observed, and never for time to pass."""

from __future__ import annotations

from collections.abc import Callable

from cio_spark.clock import SystemClock

POLL_SECONDS = 0.1


class NeverHappenedError(AssertionError):
    """Says that a state did not come about in time."""


def wait_until(condition: Callable[[], bool], seconds: float, what: str, *, poll_seconds: float = POLL_SECONDS) -> None:
    """Check a condition again and again until it holds.

    Args:
        condition: tells whether the state has come about.
        seconds: how long to wait at most, in seconds.
        what: name of the state, for the message.
        poll_seconds: seconds between two checks.

    Raises:
        NeverHappenedError: the condition did not hold in time.
    """
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    while not condition():
        if clock.monotonic() >= deadline:
            raise NeverHappenedError(f"not within {seconds:g} s: {what}")
        clock.sleep(poll_seconds)
