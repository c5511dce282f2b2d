"""Reads the time and sleeps, as the only file that does; all other code takes a `Clock`, so that tests control time."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Protocol

EXPECTED_CLOCK_DIFFERENCE = timedelta(minutes=10)
"""Largest difference that is expected between the clocks of two machines."""
LARGEST_CLOCK_DIFFERENCE = timedelta(hours=2)
"""Largest difference between two clocks before something is wrong; used where it costs little to be careful."""


class Clock(Protocol):
    """Describes what the package needs of a clock."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC, with its time zone."""
        ...

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`."""
        ...


class SystemClock:
    """Reads the clock of the machine."""

    def now(self) -> datetime:
        """Return the wall-clock time in UTC, with its time zone."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Return the seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for `seconds`; return at once for zero or less."""
        if seconds > 0:
            time.sleep(seconds)


class FakeClock:
    """Moves time forward only when somebody sleeps, so that tests need not wait; users' own tests may use it too.

    Args:
        late_seconds: seconds by which every sleep takes longer than requested.

    Attributes:
        seconds: seconds that have passed since the clock was made.
        sleeps: seconds of every requested sleep, in order.
    """

    def __init__(self, late_seconds: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._late_seconds = late_seconds
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        """Return noon of 2026-01-31 UTC plus the seconds that have passed."""
        return datetime(2026, 1, 31, 12, tzinfo=timezone.utc) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Return the seconds that have passed."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let `seconds` pass without waiting."""
        with self._lock:
            self.sleeps.append(seconds)
            self.seconds += max(seconds, 0.0) + self._late_seconds


def as_utc(local: datetime) -> datetime:
    """Convert a time to UTC; a time that pyspark collects is in the driver's time zone, but carries no zone."""
    return local.astimezone(timezone.utc)
