"""Reads time and sleeps, in this file only; everything else takes a `Clock`, so that tests own time."""

from __future__ import annotations

import threading
import time
from datetime import datetime, timedelta, timezone
from typing import Protocol

CLOCKS_DIFFER = timedelta(minutes=10)
"""How much the clocks of two machines are expected to differ at most."""
CLOCKS_NEVER_DIFFER = timedelta(hours=2)
"""How much they may differ before anything is wrong: where it costs little to be careful."""


class Clock(Protocol):
    """What the package needs of time."""

    def now(self) -> datetime:
        """Wall-clock time, UTC, with zone."""
        ...

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """Wall-clock time, UTC, with zone."""
        return datetime.now(timezone.utc)

    def monotonic(self) -> float:
        """Seconds of a clock that never goes back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait; zero or less returns at once."""
        if seconds > 0:
            time.sleep(seconds)


class FakeClock:
    """Passes time by sleeping only, for tests that must not wait; yours too.

    Args:
        late_seconds: how much longer every sleep takes than asked for.

    Attributes:
        seconds: time that has passed.
        sleeps: seconds of every sleep that was asked for.
    """

    def __init__(self, late_seconds: float = 0.0) -> None:
        self._lock = threading.Lock()
        self._late_seconds = late_seconds
        self.seconds = 0.0
        self.sleeps: list[float] = []

    def now(self) -> datetime:
        """Wall-clock time: noon of 2026-01-31 UTC, and what has passed since."""
        return datetime(2026, 1, 31, 12, tzinfo=timezone.utc) + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        """Seconds that have passed."""
        return self.seconds

    def sleep(self, seconds: float) -> None:
        """Let time pass without waiting."""
        with self._lock:
            self.sleeps.append(seconds)
            self.seconds += max(seconds, 0.0) + self._late_seconds


def as_utc(local: datetime) -> datetime:
    """A time in UTC; what pyspark collects is in the driver's zone and does not say so."""
    return local.astimezone(timezone.utc)
