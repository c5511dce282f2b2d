"""Adapts the share of a request's limits to the API's answers, for `batch.strategy: adaptive`.

`sizing` makes records and bytes of the share.
"""

from __future__ import annotations

import threading
from typing import Final

from cio_spark.clock import Clock
from cio_spark.delivery.classification import ErrorCategory, Verdict

SIZE_RELATED_ERRORS: Final = frozenset(
    {ErrorCategory.TOO_LARGE, ErrorCategory.RATE_LIMIT, ErrorCategory.TIMEOUT, ErrorCategory.SERVER}
)
"""Categories of answers that the size of a request may have caused: 413, 429, time-outs (408 too), and 5xx.

The category `server` has 409, 423 and 425 too.
"""
LEAST_SHARE: Final = 1 / 64
STEPS: Final = 32
"""Number of growth steps from 0 to the size that failed last, or to the ceiling if no such size is remembered."""
STEPS_BACK: Final = 4
"""Number of growth steps from the half of a failed size back to that size.

They are few, because the size is not the reason for an occasional error.
"""
WAIT_SECONDS: Final = 4.0
"""Seconds that a failed request costs a lane besides its own time: about the wait before the next try."""
SHARE_FOR_PROBES: Final = 1 / 20
"""Share of the time that may be spent on finding out whether larger requests work again."""


class AdaptiveSizing:
    """Grows requests step by step while they are fast and accepted, and shrinks them when the API complains.

    This is additive increase and multiplicative decrease, as in TCP's congestion avoidance (RFC 5681), with a memory:
    if a size fails that is above one that was accepted, requests go back to the accepted size, and the failed one is
    not tried again for twenty times as long as this failure took. If a size fails that was accepted before, it is
    halved but not remembered as bad: mostly the size is not the reason for such a failure. The first request is as
    large as is allowed, so an API that never complains never gets smaller requests.

    A size is a share of the ceiling (the largest request that is allowed), and the share holds for records and bytes.

    Args:
        timeout_seconds: time-out of a request in seconds; a request that takes more than half of it is not fast.
        clock: tells the time.
    """

    def __init__(self, timeout_seconds: float, clock: Clock) -> None:
        self._fast_seconds = timeout_seconds / 2
        self._clock = clock
        self._lock = threading.Lock()
        self._share = 1.0
        self._step = 1.0 / STEPS
        self._clean = 0.0
        self._hurt: float | None = None
        self._probe_at = 0.0

    def share(self) -> float:
        """Return the share of the ceiling that the API is expected to accept."""
        return self._share

    def record(self, load: float, verdict: Verdict, *, full: bool) -> None:
        """Learn from an answer; an answer that neither accepts the request nor may be caused by its size is ignored.

        Args:
            load: share of the ceiling that the request was allowed; if it was not full, the share that it filled.
            verdict: verdict on the answer.
            full: whether the request was as large as it was allowed to be.
        """
        with self._lock:
            if verdict.category in SIZE_RELATED_ERRORS:
                self._shrink(load, verdict.answer.elapsed_seconds)
            elif verdict.accepted and full:
                self._grow(load, verdict.answer.elapsed_seconds)

    def _shrink(self, load: float, elapsed_seconds: float) -> None:
        # Ignore a request that was cut before another lane's answer made the share smaller: the two answers are one
        # sign, not two. Ignore also a request that is so small that its size cannot be the reason
        if load > self._share or load < self._share / 2:
            return
        if 0.0 < self._clean < load:
            self._share = self._clean
            self._hurt, self._step = load, load / STEPS
            self._probe_at = self._clock.monotonic() + (elapsed_seconds + WAIT_SECONDS) / SHARE_FOR_PROBES
            return
        self._share = max(LEAST_SHARE, load / 2)
        self._step = max(self._step, load / 2 / STEPS_BACK) if self._clean else load / 2 / STEPS_BACK
        self._clean = 0.0

    def _grow(self, load: float, elapsed_seconds: float) -> None:
        self._clean = max(self._clean, min(load, self._share))
        if elapsed_seconds > self._fast_seconds or load < self._share:
            return
        if self._hurt is not None:
            if self._share >= self._hurt:
                self._hurt = None  # this size works again
            # A size that is at most half a step below the failed one counts as the failed one
            elif self._share + 1.5 * self._step >= self._hurt and self._clock.monotonic() < self._probe_at:
                return
        else:
            self._step = max(self._step, min(1.0 / STEPS, 2 * self._step))
        self._share = min(1.0, self._share + self._step)
