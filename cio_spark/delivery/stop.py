"""Provides the flag that ends a partition early."""

from __future__ import annotations

import threading
from datetime import datetime
from enum import Enum

from cio_spark.clock import Clock

LONGEST_NAP_SECONDS = 0.5
OUT_OF_TIME = "the time for which its wave may send is over, for the API answered more slowly than planned"


class StopCode(str, Enum):
    """Lists the reasons why a partition stops, as they are written beside the records that were not sent."""

    STOPPED = "stopped"
    """Any other reason, such as a redirect or a cancelled task."""
    KEY_REFUSED = "key_refused"
    REFUSED_BY_API = "refused_by_api"
    """The API refuses every request, whatever its content: a 4xx that is neither about a record nor about the key."""
    FAIL_FAST = "fail_fast"
    CIRCUIT_OPEN = "circuit_open"
    """The API could not be used for longer than the circuit breaker's budget."""
    REFUSES_EVERYTHING = "refuses_everything"
    """The first batches showed nothing but refusals."""
    OUT_OF_TIME = "out_of_time"
    """The time for which the wave may send is over: from then on another run may claim the sync."""


class Stop:
    """Tells the lanes of a partition to stop; the first lane with a reason sets it, and the others see it.

    A lane looks at the flag before its next request.

    Args:
        clock: sleeps, and tells when the time to send is over.
        send_until: UTC time at which the flag sets itself; None for never.
    """

    def __init__(self, clock: Clock, send_until: datetime | None = None) -> None:
        self._clock = clock
        self._send_until = send_until
        self._lock = threading.Lock()
        self._reason: tuple[StopCode, str] | None = None

    def set(self, code: StopCode, cause: str) -> None:
        """Stop the partition; the first reason stays.

        Args:
            code: the kind of reason.
            cause: a sentence for people.
        """
        with self._lock:
            if self._reason is None:
                self._reason = (code, cause)

    @property
    def code(self) -> StopCode | None:
        """Return the kind of the reason to stop; None if there is none."""
        return self._reason[0] if self._reason is not None else None

    @property
    def cause(self) -> str | None:
        """Return the reason to stop as a sentence; None if there is none."""
        return self._reason[1] if self._reason is not None else None

    def is_set(self) -> bool:
        """Tell whether to stop."""
        # The wall clock decides, because `send_until` is a time of the driver: a machine that slept finds that the time
        # has passed when it wakes up
        if self._reason is None and self._send_until is not None and self._clock.now() >= self._send_until:
            self.set(StopCode.OUT_OF_TIME, OUT_OF_TIME)
        return self._reason is not None

    def pause(self, seconds: float) -> None:
        """Sleep for `seconds`, in short steps, so that a stop is noticed soon."""
        until = self._clock.monotonic() + seconds
        while not self.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, LONGEST_NAP_SECONDS))
