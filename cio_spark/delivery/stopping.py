"""The flag that ends a partition early."""

from __future__ import annotations

import threading

from cio_spark.clock import Clock

LONGEST_NAP_SECONDS = 0.5


class Stop:
    """Set once, by whichever lane has a reason first; the others see it before their next request.

    Args:
        clock: sleeps.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cause: str | None = None

    def set(self, cause: str) -> None:
        """Stop.

        Args:
            cause: for people; the first one stays.
        """
        with self._lock:
            if self._cause is None:
                self._cause = cause

    @property
    def cause(self) -> str | None:
        """Why it was set; None: go on."""
        return self._cause

    def is_set(self) -> bool:
        """Whether to stop."""
        return self._cause is not None

    def pause(self, seconds: float) -> None:
        """Sleep, in naps, so that a stop is noticed soon."""
        until = self._clock.monotonic() + seconds
        while not self.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, LONGEST_NAP_SECONDS))
