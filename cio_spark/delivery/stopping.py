"""The flag that ends a partition early."""

from __future__ import annotations

import threading
from enum import Enum

from cio_spark.clock import Clock

LONGEST_NAP_SECONDS = 0.5


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


class Stop:
    """Set once, by whichever lane has a reason first; the others see it before their next request.

    Args:
        clock: sleeps.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
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
        return self._reason is not None

    def pause(self, seconds: float) -> None:
        """Sleep, in naps, so that a stop is noticed soon."""
        until = self._clock.monotonic() + seconds
        while not self.is_set() and (left := until - self._clock.monotonic()) > 0:
            self._clock.sleep(min(left, LONGEST_NAP_SECONDS))
