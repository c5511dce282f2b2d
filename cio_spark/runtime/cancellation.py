"""Keeps the request to stop a run, made by a signal or by the program that runs a sync."""

from __future__ import annotations

import signal
import threading

from cio_spark.clock import Clock, SystemClock
from cio_spark.errors import ExitStatus, RunCancelledError


def signal_of(exit_status: ExitStatus) -> int:
    """Return the signal that ends a command with this exit status of a cancelled run."""
    return signal.SIGINT if exit_status is ExitStatus.CANCELLED_SIGINT else signal.SIGTERM


class Cancellation:
    """Says whether a run must stop, and since when; the wave under way may go on for a grace time.

    Args:
        clock: clock that measures the grace time; None for the system's clock.
    """

    def __init__(self, clock: Clock | None = None) -> None:
        self._clock = clock or SystemClock()
        # A second signal may interrupt the handler of the first one, in the same thread
        self._lock = threading.RLock()
        self._signal: int | None = None
        self._requested_at = 0.0
        self._impatient = False

    def request(self, signal_number: int = signal.SIGTERM) -> None:
        """Request a stop after this wave, or at the end of the grace time; a second request stops at once."""
        with self._lock:
            if self._signal is not None:
                self._impatient = True
                return
            self._signal, self._requested_at = signal_number, self._clock.monotonic()

    @property
    def requested(self) -> bool:
        """Tell whether a stop was requested."""
        return self._signal is not None

    @property
    def exit_status(self) -> ExitStatus:
        """Exit status of a cancelled run: 128 plus the signal's number, as in a shell."""
        interrupted = self._signal == signal.SIGINT
        return ExitStatus.CANCELLED_SIGINT if interrupted else ExitStatus.CANCELLED_SIGTERM

    def raise_if_requested(self, while_it: str) -> None:
        """Raise an error if a stop was requested before the run has sent anything.

        Args:
            while_it: what the run was doing, as the end of a sentence.

        Raises:
            RunCancelledError: a stop was requested.
        """
        if self.requested:
            raise RunCancelledError(f"cancelled while {while_it}; nothing was sent", self.exit_status)

    def overdue(self, grace_seconds: float) -> bool:
        """Tell whether the wave under way has used up its grace time."""
        if self._signal is None:
            return False
        return self._impatient or self._clock.monotonic() - self._requested_at >= grace_seconds
