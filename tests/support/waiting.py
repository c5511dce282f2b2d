"""Waiting for a state that can be observed, never for time to pass."""

from __future__ import annotations

from collections.abc import Callable

from cio_spark.clock import SystemClock

POLL_SECONDS = 0.1


class NeverHappenedError(AssertionError):
    """What was waited for did not come about in time."""


def wait_until(condition: Callable[[], bool], seconds: float, what: str, *, poll_seconds: float = POLL_SECONDS) -> None:
    """Looks again and again until something is so.

    Args:
        condition: whether it is.
        seconds: how long to look.
        what: it, for the message.
        poll_seconds: between two looks.

    Raises:
        NeverHappenedError: it was not so in time.
    """
    clock = SystemClock()
    deadline = clock.monotonic() + seconds
    while not condition():
        if clock.monotonic() >= deadline:
            raise NeverHappenedError(f"not within {seconds:g} s: {what}")
        clock.sleep(poll_seconds)
