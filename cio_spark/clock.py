"""The only place that reads time or sleeps; everything else takes a `Clock`, so that tests own time."""

from __future__ import annotations

import time
from datetime import datetime, timezone
from typing import Protocol


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


def as_utc(local: datetime) -> datetime:
    """A time in UTC; what pyspark collects is in the driver's zone and does not say so."""
    return local.astimezone(timezone.utc)
