"""The flag that ends a partition early."""

from __future__ import annotations

import threading
from datetime import datetime
from enum import Enum

from cio_spark.clock import Clock

LONGEST_NAP_SECONDS = 0.5
OUT_OF_TIME = "the time for which its wave may send is over, for the API answered more slowly than planned"


class StopCode(str, Enum):
    """Why a partition stopped, as it is written beside the records that were not sent."""

    STOPPED = "stopped"
    """Any other reason: a redirect, a cancelled task."""
    KEY_REFUSED = "key_refused"
    REFUSED_BY_API = "refused_by_api"
    """The API refuses every request, whatever is in it: a 4xx that speaks neither of a record nor of the key."""
    FAIL_FAST = "fail_fast"
    CIRCUIT_OPEN = "circuit_open"
    """The API could not be used for longer than the circuit breaker's budget."""
    REFUSES_EVERYTHING = "refuses_everything"
    """The first batches showed nothing but refusals."""
    OUT_OF_TIME = "out_of_time"
    """The time for which the wave may send is over: from then on another run may hold the sync."""


class Stop:
    """Set once, by whichever lane has a reason first; the others see it before their next request.

    Args:
        clock: sleeps, and tells when the time to send is over.
        send_until: UTC, when it is set by itself; None: never.
    """

    def __init__(self, clock: Clock, send_until: datetime | None = None) -> None:
        self._clock = clock
        self._send_until = send_until
        self._lock = threading.Lock()
        self._reason: tuple[StopCode, str] | None = None

    def set(self, code: StopCode, cause: str) -> None:
        """Stop; the first reason stays.

        Args:
            code: the kind of reason.
            cause: a sentence for people.
        """
        with self._lock:
            if self._reason is None:
                self._reason = (code, cause)

    @property
    def code(self) -> StopCode | None:
        """Kind of reason it was set for; None: go on."""
        return self._reason[0] if self._reason is not None else None

    @property
    def cause(self) -> str | None:
        """Why it was set; None: go on."""
        return self._reason[1] if self._reason is not None else None

    def is_set(self) -> bool:
        """Whether to stop."""
        # By the wall clock, for it is the driver's time: a machine that slept finds the end passed when it wakes up
        if self._reason is None and self._send_until is not None and self._clock.now() >= self._send_until:
            self.set(StopCode.OUT_OF_TIME, OUT_OF_TIME)
        return self._reason is not None

    def pause(self, seconds: float) -> None:
        """Sleep, in naps, so that a stop is noticed soon."""
        until = self._clock.monotonic() + seconds
        while not self.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, LONGEST_NAP_SECONDS))
