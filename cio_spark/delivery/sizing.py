"""Decides how many records and bytes the next request carries: the four settings of `batch.strategy`."""

from __future__ import annotations

import threading
from typing import Final, Protocol

from cio_spark.clock import Clock
from cio_spark.config import BatchStrategy
from cio_spark.delivery.adaptive_sizing import HURTS, AdaptiveSizing
from cio_spark.delivery.batching import Batch, BatchLimit
from cio_spark.delivery.classification import ErrorCategory, Verdict
from cio_spark.delivery.sending import Sending
from cio_spark.delivery.settings import DeliverySettings

GATEWAY_TIMEOUTS: Final = frozenset({504, 524})
"""Statuses of an edge in front of the API that has waited too long (RFC 9110, 15.6.5; 524 is Cloudflare's)."""
PROBE_LOADS: Final = 1.5
"""A request that fills less than this many times what works now was a probe; one that led to a halving fills twice."""

_FIRST_SHARE_OF_TIME_BASED: Final = 0.25
_WEIGHT_OF_NEWEST: Final = 0.3
_MOST_GROWTH: Final = 2.0


class Sizing(Protocol):
    """Decides on the size of requests; all lanes of a process share one."""

    def share(self) -> float:
        """The part of the ceiling that the next request may fill, above 0 and at most 1."""
        ...

    def record(self, load: float, verdict: Verdict) -> None:
        """Learn from an answer.

        Args:
            load: the part of the ceiling that the request filled.
            verdict: on the answer.
        """
        ...


class FixedSizing:
    """Fills every request: `size_based`, and `memory_based`, whose plan has the limits that the budget leaves."""

    def share(self) -> float:
        """The whole."""
        return 1.0

    def record(self, load: float, verdict: Verdict) -> None:
        """Learn nothing."""


class TimeBasedSizing:
    """Aims at a time for each request, from a running estimate of the seconds that a full one would take.

    The load counts whichever is scarcer, records or bytes, so one estimate stands for seconds a record and a byte.
    What a request costs whatever its size is in it too: the next size is right for the size before, and a few
    requests lead to the target.

    Args:
        target_seconds: `batch.target_request_seconds`.
    """

    def __init__(self, target_seconds: float) -> None:
        self._target_seconds = target_seconds
        self._share = first_share(BatchStrategy.TIME_BASED)
        self._seconds_per_load: float | None = None
        self._lock = threading.Lock()

    def share(self) -> float:
        """The part that is expected to take the target time."""
        return self._share

    def record(self, load: float, verdict: Verdict) -> None:
        """Learn from the time of an accepted request, and of one that took too long."""
        if not (verdict.accepted or verdict.category is ErrorCategory.TIMEOUT):
            return
        with self._lock:
            # What was cut short by the end of the records says little about full requests
            if verdict.accepted and load < self._share / 2:
                return
            measured = verdict.answer.elapsed_seconds / load
            before = self._seconds_per_load
            estimate = measured if before is None else before + _WEIGHT_OF_NEWEST * (measured - before)
            self._seconds_per_load = estimate if verdict.accepted else max(estimate, measured)
            wanted = self._target_seconds / max(self._seconds_per_load, 1e-9)
            self._share = min(1.0, wanted, _MOST_GROWTH * self._share)


def first_share(strategy: BatchStrategy) -> float:
    """The part of the ceiling that the first request fills, when nothing is known of the API yet.

    Args:
        strategy: `batch.strategy`.
    """
    return _FIRST_SHARE_OF_TIME_BASED if strategy is BatchStrategy.TIME_BASED else 1.0


def sizing_for(settings: DeliverySettings, clock: Clock) -> Sizing:
    """Make the sizing of a process.

    Args:
        settings: of the run's tasks.
        clock: time.
    """
    if settings.strategy is BatchStrategy.ADAPTIVE:
        return AdaptiveSizing(settings.timeout_seconds, clock)
    if settings.strategy is BatchStrategy.TIME_BASED:
        return TimeBasedSizing(settings.target_request_seconds)
    return FixedSizing()


class LaneSizer:
    """Applies the process's sizing to one lane.

    Args:
        sizing: what all lanes share.
        ceiling: the most that a request of this task may carry.
    """

    def __init__(self, sizing: Sizing, ceiling: BatchLimit) -> None:
        self._sizing = sizing
        self.ceiling = ceiling
        self.in_force = ceiling

    def next_limit(self) -> BatchLimit:
        """Give the limit for the next request, and keep it as the one in force."""
        self.in_force = self.ceiling.times(self._sizing.share())
        return self.in_force

    def parts_of(self, batch: Batch) -> int:
        """Count the parts that a batch would be cut into by now; 1: it still fits.

        Args:
            batch: that was cut before the limit changed.
        """
        return max(1, self.ceiling.times(self._sizing.share()).requests_for(batch))

    def has_outgrown(self, batch: Batch, sending: Sending) -> bool:
        """Tell whether a batch is better divided than tried again: its size may be why it failed, and is too much now.

        A time-out says so at once, and so does any complaint about a size just above what works. Else a 429 mostly
        speaks of the number of requests, so only the second one counts, and a 5xx of the API itself.

        Args:
            batch: that has failed.
            sending: how it was sent so far.
        """
        verdict = sending.verdict
        if verdict is None:
            return False
        timed_out = verdict.category is ErrorCategory.TIMEOUT or verdict.answer.status in GATEWAY_TIMEOUTS
        was_probe = self.ceiling.load_of(batch) < PROBE_LOADS * self._sizing.share()
        throttled = verdict.category is ErrorCategory.RATE_LIMIT and sending.tried + sending.attempts > 1
        return verdict.category in HURTS and (timed_out or was_probe or throttled) and self.parts_of(batch) > 1

    def record(self, batch: Batch, verdict: Verdict) -> None:
        """Learn from an answer.

        Args:
            batch: what the request carried.
            verdict: on the answer.
        """
        self._sizing.record(self.ceiling.load_of(batch), verdict)
