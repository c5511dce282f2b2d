"""Decides how many records and bytes the next request carries, under each of the four settings of `batch.strategy`."""

from __future__ import annotations

import threading
from typing import Final, Protocol

from cio_spark.clock import Clock
from cio_spark.config import BatchStrategy
from cio_spark.delivery.adaptive_sizing import SIZE_RELATED_ERRORS, AdaptiveSizing
from cio_spark.delivery.batching import Batch, BatchLimit
from cio_spark.delivery.classification import ErrorCategory, Verdict
from cio_spark.delivery.sending import Sending
from cio_spark.delivery.settings import DeliverySettings

MOST_PARTS: Final = 16
"""Most parts of one division: bisection allows 64 requests for a batch, retries of its parts included."""
GATEWAY_TIMEOUTS: Final = frozenset({504, 524})
"""Statuses of an edge server in front of the API that has waited too long (RFC 9110, 15.6.5; 524 is Cloudflare's)."""
PROBE_FACTOR: Final = 1.5
"""A request was a probe if its load is less than this many times the share that works now.

The load of a request that led to a halving is twice that share.
"""

MOST_FIXED: Final = 0.9
"""Largest part of the target time that a request's fixed time may take, if its size is to reach the target."""
LEAST_SPREAD: Final = 0.05
"""Least spread of loads, as a share of their mean, that tells the fixed time from the time that a record adds."""
_FIRST_SHARE_OF_TIME_BASED: Final = 0.25
_LEAST_OF_TIME_BASED: Final = 1e-4
_WEIGHT_OF_NEWEST: Final = 0.3
_MOST_GROWTH: Final = 2.0


class Sizing(Protocol):
    """Decides on the size of requests; all lanes of a process share one."""

    def share(self) -> float:
        """Return the share of the ceiling that the next request may fill, above 0 and at most 1."""
        ...

    def record(self, load: float, verdict: Verdict, *, full: bool) -> None:
        """Learn from an answer.

        Args:
            load: share of the ceiling that the request was allowed; if it was not full, the share that it filled.
            verdict: verdict on the answer.
            full: whether the request was as large as it was allowed to be.
        """
        ...


class FixedSizing:
    """Fills every request, for `size_based` and `memory_based`; under the latter, the plan's limits keep the budget."""

    def share(self) -> float:
        """Return 1.0, the whole ceiling."""
        return 1.0

    def record(self, load: float, verdict: Verdict, *, full: bool) -> None:
        """Learn nothing."""


class TimeBasedSizing:
    """Aims at a target time for each request, by a running estimate of its fixed time and of what each record adds.

    The load counts records or bytes, whichever is scarcer, so one number stands for the seconds of a record and of a
    byte. If the fixed time, which a request of any size takes, is over nine tenths of the target (`MOST_FIXED`), no
    size reaches the target: then a request carries as much as doubles the fixed time.

    Args:
        target_seconds: `batch.target_request_seconds`.
    """

    def __init__(self, target_seconds: float) -> None:
        self._target_seconds = target_seconds
        self._share = first_share(BatchStrategy.TIME_BASED)
        self._line = _Line()
        self._lock = threading.Lock()

    def share(self) -> float:
        """Return the share of the ceiling that is expected to take the target time."""
        return self._share

    def record(self, load: float, verdict: Verdict, *, full: bool) -> None:
        """Learn from the time of a full request that was accepted, and from a request that timed out."""
        with self._lock:
            if verdict.category is ErrorCategory.TIMEOUT:
                self._share = max(_LEAST_OF_TIME_BASED, min(self._share, load / 2))
            elif verdict.accepted and full:
                self._line.add(load, verdict.answer.elapsed_seconds)
                fixed, each = self._line.fixed_seconds, max(self._line.seconds_per_load, 1e-9)
                reachable = fixed <= MOST_FIXED * self._target_seconds
                wanted = ((self._target_seconds - fixed) if reachable else fixed) / each
                self._share = min(1.0, max(_LEAST_OF_TIME_BASED, wanted), _MOST_GROWTH * self._share)


class _Line:
    """Fits the line seconds = fixed + each × load to requests; the newest requests count most."""

    def __init__(self) -> None:
        self._load = self._seconds = self._load_twice = self._both = self._weight = 0.0
        self.fixed_seconds = 0.0
        self.seconds_per_load = 0.0

    def add(self, load: float, seconds: float) -> None:
        """Add a request to the estimate."""
        keep = 1.0 - _WEIGHT_OF_NEWEST
        self._weight = keep * self._weight + 1.0
        self._load = keep * self._load + load
        self._seconds = keep * self._seconds + seconds
        self._load_twice = keep * self._load_twice + load * load
        self._both = keep * self._both + load * seconds
        mean_load, mean_seconds = self._load / self._weight, self._seconds / self._weight
        variance = self._load_twice / self._weight - mean_load**2
        # Sizes that hardly differ say nothing about the fixed time: the value found before stays
        if variance > (LEAST_SPREAD * mean_load) ** 2:
            slope = max(0.0, (self._both / self._weight - mean_load * mean_seconds) / variance)
            self.fixed_seconds = min(mean_seconds, max(0.0, mean_seconds - slope * mean_load))
        self.fixed_seconds = min(self.fixed_seconds, mean_seconds)
        self.seconds_per_load = (mean_seconds - self.fixed_seconds) / mean_load


def first_share(strategy: BatchStrategy) -> float:
    """Return the share of the ceiling that the first request fills, when nothing is known about the API yet.

    Args:
        strategy: `batch.strategy`.
    """
    return _FIRST_SHARE_OF_TIME_BASED if strategy is BatchStrategy.TIME_BASED else 1.0


def sizing_for(settings: DeliverySettings, clock: Clock) -> Sizing:
    """Make the sizing of a process.

    Args:
        settings: settings of the run's tasks.
        clock: tells the time.
    """
    if settings.strategy is BatchStrategy.ADAPTIVE:
        return AdaptiveSizing(settings.timeout_seconds, clock)
    if settings.strategy is BatchStrategy.TIME_BASED:
        return TimeBasedSizing(settings.target_request_seconds)
    return FixedSizing()


class LaneSizer:
    """Applies the process's sizing to one lane.

    Args:
        sizing: sizing that all lanes share.
        ceiling: the most that a request of this task may carry.
    """

    def __init__(self, sizing: Sizing, ceiling: BatchLimit) -> None:
        self._sizing = sizing
        self._share = 1.0
        self.ceiling = ceiling
        self.in_force = ceiling

    def next_limit(self) -> BatchLimit:
        """Return the limit for the next request, and keep it as the limit in force."""
        self._share = self._sizing.share()
        self.in_force = self.ceiling.times(self._share)
        return self.in_force

    def parts_of(self, batch: Batch) -> int:
        """Count the parts into which a batch would be cut now; 1 if the batch still fits.

        Args:
            batch: batch that was cut before the limit changed.
        """
        parts = self.ceiling.times(self._sizing.share()).requests_for(batch)
        return min(MOST_PARTS, max(1, parts))

    def has_outgrown(self, batch: Batch, sending: Sending) -> bool:
        """Tell whether to divide a failed batch instead of trying it again, because it is too large by now.

        The size must also be a possible reason for the failure. A time-out is enough for that, and so is any answer of
        `SIZE_RELATED_ERRORS` to a size just above the size that works. Otherwise a 429 is mostly about the number of
        requests, so it counts only from the second try on. A 5xx is mostly about the API itself, so it does not count.

        Args:
            batch: batch that has failed.
            sending: how it was sent so far.
        """
        verdict = sending.verdict
        if verdict is None or verdict.category not in SIZE_RELATED_ERRORS:
            return False
        timed_out = verdict.category is ErrorCategory.TIMEOUT or verdict.answer.status in GATEWAY_TIMEOUTS
        was_probe = self._load_of(batch) < PROBE_FACTOR * self._sizing.share()
        throttled = verdict.category is ErrorCategory.RATE_LIMIT and sending.tried + sending.attempts > 1
        return (timed_out or was_probe or throttled) and self.parts_of(batch) > 1

    def record(self, batch: Batch, verdict: Verdict) -> None:
        """Learn from an answer.

        Args:
            batch: batch that the request carried.
            verdict: verdict on the answer.
        """
        self._sizing.record(self._load_of(batch), verdict, full=self._fills(batch))

    def _fills(self, batch: Batch) -> bool:
        """Tell whether one more record of the batch's mean size would have been over the limit in force."""
        next_bytes = batch.body_bytes * (batch.size + 1) / batch.size
        return batch.size >= self.in_force.records or next_bytes > self.in_force.bytes

    def _load_of(self, batch: Batch) -> float:
        """Return the share of the ceiling that a batch fills; for a full batch, the share in force.

        A full batch may fill a little less than that, because records are not divided.
        """
        return self._share if self._fills(batch) else min(self._share, self.ceiling.load_of(batch))
