"""Paces requests, by time slots that the lanes of a process share and by a lane's own gap after a 429."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from typing import Final

from cio_spark.clock import Clock
from cio_spark.delivery.classification import ErrorCategory, Verdict
from cio_spark.delivery.stop import Stop

LEAST_GAP_SECONDS: Final = 0.125
MOST_GAP_SECONDS: Final = 3.0
"""Window over which the API counts requests (OpenAPI, "Rate and payload limits")."""


class RateSchedule:
    """Spaces requests: no two grants are closer than the interval, measured between the grants that really happened.

    Missed slots are not made up for, so there are no bursts: in any half-open window of w seconds there are at most
    ceil(w / interval) grants. Lanes queue for the next slot, so no slot is unused while a lane waits. The first grant
    comes one interval after the schedule was made, because an earlier worker process may have just sent a request.

    Args:
        seconds_between_requests: the interval.
        clock: tells the time.
    """

    def __init__(self, seconds_between_requests: float, clock: Clock) -> None:
        self.seconds_between_requests = seconds_between_requests
        self._clock = clock
        self._turnstile = threading.Lock()
        self._last_grant = clock.monotonic()

    def wait_turn(self, stopped: Callable[[], bool] = lambda: False) -> float:
        """Wait for a slot and take it.

        Args:
            stopped: tells whether to give up; the lane then leaves the queue without a slot. The caller must ask it
                again after the call.

        Returns:
            Seconds waited.
        """
        arrived = self._clock.monotonic()
        with self._turnstile:
            while not stopped():
                now = self._clock.monotonic()
                left = self._last_grant + self.seconds_between_requests - now
                if left <= 0:
                    self._last_grant = now
                    break
                self._clock.sleep(left)
            return self._clock.monotonic() - arrived


class Throttle:
    """Keeps a gap between an answer and the lane's next request; every 429 widens the gap, and successes remove it.

    The schedule that all lanes share stays as it is; the gap only makes one lane leave slots to the others.

    Args:
        seconds_between_requests: interval that the plan gives the task; the first gap is as long, but at least
            `LEAST_GAP_SECONDS` and at most `MOST_GAP_SECONDS`.
        clock: tells the time.
    """

    def __init__(self, seconds_between_requests: float, clock: Clock) -> None:
        self._first_gap = min(max(seconds_between_requests, LEAST_GAP_SECONDS), MOST_GAP_SECONDS)
        self._clock = clock
        self._answered_at = clock.monotonic()
        self.gap_seconds = 0.0

    def record(self, verdict: Verdict) -> None:
        """Adapt the gap to an answer: a 429 doubles it, a success halves it, any other answer leaves it unchanged."""
        self._answered_at = self._clock.monotonic()
        if verdict.category is ErrorCategory.RATE_LIMIT:
            self.gap_seconds = min(max(2 * self.gap_seconds, self._first_gap), MOST_GAP_SECONDS)
        elif verdict.accepted:
            self.gap_seconds /= 2
            if self.gap_seconds < LEAST_GAP_SECONDS:
                self.gap_seconds = 0.0

    def wait(self, stop: Stop, most_seconds: float = math.inf) -> None:
        """Wait for the rest of the gap, or until the partition stops, but no longer than `most_seconds`."""
        stop.pause(min(self._answered_at + self.gap_seconds - self._clock.monotonic(), most_seconds))
