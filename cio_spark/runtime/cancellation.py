"""A request to stop: by a signal, or by whoever runs a sync in their own program."""

from __future__ import annotations

import signal
import threading

from cio_spark.clock import Clock, SystemClock
from cio_spark.errors import ExitStatus


class Cancellation:
    """Says whether to stop, and since when; the wave under way may finish for a grace time.

    Args:
        clock: time.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        # A second signal may interrupt the handler of the first one, in the same thread
        self._lock = threading.RLock()
        self._signal: int | None = None
        self._requested_at = 0.0
        self._impatient = False

    def request(self, signal_number: int = signal.SIGTERM) -> None:
        """Stop after this wave, or when the grace time is over; asked for twice: now."""
        with self._lock:
            if self._signal is not None:
                self._impatient = True
                return
            self._signal, self._requested_at = signal_number, self._clock.monotonic()

    @property
    def requested(self) -> bool:
        """Whether to stop."""
        return self._signal is not None

    @property
    def exit_status(self) -> ExitStatus:
        """What a cancelled run ends with: 128 and the signal's number, as a shell has it."""
        interrupted = self._signal == signal.SIGINT
        return ExitStatus.CANCELLED_SIGINT if interrupted else ExitStatus.CANCELLED_SIGTERM

    def overdue(self, grace_seconds: float) -> bool:
        """Whether the wave under way has had its grace time."""
        if self._signal is None:
            return False
        return self._impatient or self._clock.monotonic() - self._requested_at >= grace_seconds
