"""The schedule of time slots that the lanes of one process share."""

from __future__ import annotations

import threading
from collections.abc import Callable

from cio_spark.clock import Clock


class RateSchedule:
    """Spaces requests: no two grants are closer than the interval, measured between the grants that really happened.

    Nothing is caught up, so there are no bursts: in any half-open window of w seconds there are at most
    ceil(w / interval) grants. Lanes queue up for the next slot, so none is left unused while one waits. The first
    grant comes one interval after the schedule was made, for a worker process before this one may have sent just now.

    Args:
        seconds_between_requests: the interval.
        clock: time.
    """

    def __init__(self, seconds_between_requests: float, clock: Clock) -> None:
        self.seconds_between_requests = seconds_between_requests
        self._clock = clock
        self._turnstile = threading.Lock()
        self._last_grant = clock.monotonic()

    def wait_turn(self, stopped: Callable[[], bool] = lambda: False) -> float:
        """Wait for a slot and take it.

        Args:
            stopped: whoever queues leaves without a slot once this is true; ask it again after the call.

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
