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
STEPS: Final = 32
"""From nothing to where it hurt last."""
STEPS_BACK: Final = 4
"""From the half of a size that was clean back to it: an error now and then has other reasons than the size."""
WAIT_SECONDS: Final = 4.0
"""What a request that hurt costs a lane beside its own time: about the wait before the next try."""
SHARE_FOR_PROBES: Final = 1 / 20
"""Of the time may be spent on finding out whether larger requests work again."""


class AdaptiveSizing:
    """Grows step by step while requests are fast and clean, halves when the API complains, remembers where it hurt.

    This is additive increase and multiplicative decrease, as in TCP's congestion avoidance (RFC 5681), with a memory:
    a size above a clean one that hurt is not tried again for twenty times as long as finding out takes. A size that was
    clean and fails is halved, but not remembered as bad: mostly the failure has nothing to do with it. The first
    request is as large as is allowed, so an API that never complains never sees less.

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
        self._step = 1.0 / STEPS
        self._clean = 0.0
        self._hurt: float | None = None
        self._probe_at = 0.0

    def share(self) -> float:
        """The part that the API is expected to take."""
        return self._share

    def record(self, load: float, verdict: Verdict, *, full: bool) -> None:
        """Learn from an answer; one that is neither clean nor a sign of too much changes nothing.

        Args:
            load: the part of the ceiling that the request was allowed, or filled where it was not full.
            verdict: on the answer.
            full: whether it filled what it was allowed.
        """
        with self._lock:
            if verdict.category in HURTS:
                self._shrink(load, verdict.answer.elapsed_seconds)
            elif verdict.accepted and full:
                self._grow(load, verdict.answer.elapsed_seconds)

    def _shrink(self, load: float, elapsed_seconds: float) -> None:
        # It was cut before another lane's answer led to a smaller share, which is one sign and not two; or it is so
        # small that its size is no reason
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
                self._hurt = None  # it works again
            # Half a step less is as good as the size that hurt
            elif self._share + 1.5 * self._step >= self._hurt and self._clock.monotonic() < self._probe_at:
                return
        else:
            self._step = max(self._step, min(1.0 / STEPS, 2 * self._step))
        self._share = min(1.0, self._share + self._step)
