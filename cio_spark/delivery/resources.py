"""Measures memory and CPU of this process."""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import NamedTuple

from cio_spark.clock import Clock

_STATM = Path("/proc/self/statm")


class Usage(NamedTuple):
    """Holds one sample.

    Attributes:
        memory_mb: resident memory in MiB; None if the system does not tell it.
        cpu_percent: CPU in percent of one core; None if no time has passed since the sample before.
    """

    memory_mb: float | None = None
    cpu_percent: float | None = None


NOT_SAMPLED = Usage()


class ResourceSampler:
    """Samples memory and CPU; CPU is measured since the sample before, or since the sampler was made.

    Args:
        clock: tells the time.
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._last = (clock.monotonic(), _cpu_seconds())

    def sample(self) -> Usage:
        """Take a sample now."""
        with self._lock:
            now, cpu = self._clock.monotonic(), _cpu_seconds()
            (then, cpu_then), self._last = self._last, (now, cpu)
        return Usage(_resident_mb(), 100.0 * (cpu - cpu_then) / (now - then) if now > then else None)


def _cpu_seconds() -> float:
    used = os.times()
    return used.user + used.system


def _resident_mb() -> float | None:
    try:
        pages = int(_STATM.read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return None
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
