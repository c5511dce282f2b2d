"""A lane's own pace after the API has asked it to slow down."""

from __future__ import annotations

from typing import Final

from cio_spark.clock import Clock
from cio_spark.delivery.classification import ErrorCategory, Verdict
from cio_spark.delivery.stop import Stop

LEAST_GAP_SECONDS: Final = 0.125
MOST_GAP_SECONDS: Final = 3.0
"""The window over which the API counts requests (OpenAPI, "Rate and payload limits")."""


class Throttle:
    """Keeps a gap between an answer and the lane's next request: wider with every 429, gone after some successes.

    The schedule that all lanes share (`rate`) stays as it is; this only makes one lane leave slots to the others.

    Args:
        seconds_between_requests: what the plan gives the task; the first gap is no shorter.
        clock: time.
    """

    def __init__(self, seconds_between_requests: float, clock: Clock) -> None:
        self._first_gap = min(max(seconds_between_requests, LEAST_GAP_SECONDS), MOST_GAP_SECONDS)
        self._clock = clock
        self._answered_at = clock.monotonic()
        self.gap_seconds = 0.0

    def record(self, verdict: Verdict) -> None:
        """An answer has come: a 429 doubles the gap, a success halves it, anything else leaves it."""
        self._answered_at = self._clock.monotonic()
        if verdict.category is ErrorCategory.RATE_LIMIT:
            self.gap_seconds = min(max(2 * self.gap_seconds, self._first_gap), MOST_GAP_SECONDS)
        elif verdict.accepted:
            self.gap_seconds /= 2
            if self.gap_seconds < LEAST_GAP_SECONDS:
                self.gap_seconds = 0.0

    def wait(self, stop: Stop) -> None:
        """Wait for the rest of the gap, or until the partition stops."""
        stop.pause(self._answered_at + self.gap_seconds - self._clock.monotonic())
