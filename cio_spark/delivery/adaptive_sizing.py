"""Lets the size of requests follow the API's answers: `batch.strategy` adaptive."""

from __future__ import annotations

import threading
from typing import Final

from cio_spark.clock import Clock
from cio_spark.delivery.classification import ErrorCategory, Verdict

HURTS: Final = frozenset(
    {ErrorCategory.TOO_LARGE, ErrorCategory.RATE_LIMIT, ErrorCategory.TIMEOUT, ErrorCategory.SERVER}
)
"""Answers that may come of the size: 413, 429, time-outs and 5xx."""
LEAST_SHARE: Final = 1 / 64
"""A batch that is cut again into the smallest requests takes no more than bisection allows for one."""
STEPS: Final = 32
"""From nothing to where it hurt last; half as many lead back after a halving."""
FULL: Final = 0.9
"""A request that fills less of its limit says nothing about the limit."""
WAIT_SECONDS: Final = 4.0
"""What a request that hurt costs a lane beside its own time: about the wait before the next try."""
SHARE_FOR_PROBES: Final = 1 / 20
"""Of the time may be spent on finding out whether larger requests work again."""


class AdaptiveSizing:
    """Grows step by step while requests are fast and clean, halves when the API complains, remembers where it hurt.

    This is additive increase and multiplicative decrease, as in TCP's congestion avoidance (RFC 5681), with a memory:
    the size that hurt is not tried again for twenty times as long as finding out takes. The first request is as large
    as is allowed, so an API that never complains never sees less.

    Sizes are parts of the ceiling, of records and bytes alike.

    Args:
        timeout_seconds: of a request; one that takes more than half of it is not fast.
        clock: time.
    """

    def __init__(self, timeout_seconds: float, clock: Clock) -> None:
        self._fast_seconds = timeout_seconds / 2
        self._clock = clock
        self._lock = threading.Lock()
        self._share = 1.0
        self._clean = 0.0
        self._hurt: float | None = None
        self._probe_at = 0.0

    def share(self) -> float:
        """The part that the API is expected to take."""
        return self._share

    def record(self, load: float, verdict: Verdict) -> None:
        """Learn from an answer; one that is neither clean nor a sign of too much changes nothing.

        Args:
            load: the part of the ceiling that the request filled.
            verdict: on the answer.
        """
        with self._lock:
            if verdict.category in HURTS:
                self._shrink(load, verdict.answer.elapsed_seconds)
            elif verdict.accepted:
                self._grow(load, verdict.answer.elapsed_seconds)

    def _shrink(self, load: float, elapsed_seconds: float) -> None:
        if load > self._share:
            return  # it was cut before another lane's answer led to a smaller share: that is one sign, not two
        size = load if load >= self._share / 2 else self._share
        if 0.0 < self._clean < size:
            self._share = self._clean  # it was a probe: what was clean before still is, as far as is known
        else:
            self._share = self._clean = max(LEAST_SHARE, size / 2)
        self._hurt = size
        self._probe_at = self._clock.monotonic() + (elapsed_seconds + WAIT_SECONDS) / SHARE_FOR_PROBES

    def _grow(self, load: float, elapsed_seconds: float) -> None:
        if load < FULL * self._share:
            return
        self._clean = max(self._clean, min(load, self._share))
        if elapsed_seconds > self._fast_seconds:
            return
        step = (1.0 if self._hurt is None else self._hurt) / STEPS
        if self._hurt is not None and self._share + step >= self._hurt:
            if self._clock.monotonic() < self._probe_at:
                return
            self._hurt = None
        self._share = min(1.0, self._share + step)
