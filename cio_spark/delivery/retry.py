"""Decides whether a batch is tried again, and after how long."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from tenacity import RetryCallState, Retrying, retry_if_result

from cio_spark.delivery.classification import ErrorCategory, Verdict

MAX_WAIT_SECONDS = 300.0
LEAST_WAIT_AFTER_429_SECONDS = 3.0
RETRY_BUDGET_SECONDS = 900.0
"""No retry of a batch is decided on later than this after its first try began: three times the longest wait."""


@dataclass(frozen=True)
class RetryPolicy:
    """Bounds the retries of a batch, in number and in time, and decides on the waits before them.

    Attributes:
        retries: most tries after the first one.
        backoff_seconds: base of the exponential wait, in seconds.
        budget_seconds: no retry is decided on later than this after the start.
        draw: returns a random number in [0, 1).
    """

    retries: int
    backoff_seconds: float
    budget_seconds: float = RETRY_BUDGET_SECONDS
    draw: Callable[[], float] = random.random

    def wait_seconds(self, retry: int, verdict: Verdict) -> float:
        """Return the seconds to wait before a retry.

        Args:
            retry: number of the retry, from 1.
            verdict: verdict on the try before.

        Returns:
            The wait that the API asked for, at most `MAX_WAIT_SECONDS`; else a random wait with full jitter (AWS
            Architecture Blog, "Exponential Backoff and Jitter"), for a 429 at least 3 s, the window over which the API
            counts requests.
        """
        asked = verdict.answer.retry_after_seconds
        if asked is not None:
            return min(asked, MAX_WAIT_SECONDS)
        wait = self.draw() * min(MAX_WAIT_SECONDS, self.backoff_seconds * 2.0**retry)
        return max(wait, LEAST_WAIT_AFTER_429_SECONDS) if verdict.category is ErrorCategory.RATE_LIMIT else wait

    def retrying(
        self,
        elapsed_seconds: Callable[[], float],
        pause: Callable[[float], None],
        stopped: Callable[[], bool],
        tried: int = 0,
    ) -> Retrying:
        """Build the loop around the tries of one batch; the loop returns the verdict on the last try.

        Args:
            elapsed_seconds: returns the seconds since the first try began.
            pause: waits for a number of seconds.
            stopped: tells whether to give up.
            tried: tries that the same records had before, in a larger batch.
        """

        def wait(state: RetryCallState) -> float:
            verdict = _verdict_of(state)
            return 0.0 if verdict is None else self.wait_seconds(tried + state.attempt_number, verdict)

        def spent(state: RetryCallState) -> bool:
            spent_tries = tried + state.attempt_number > self.retries
            return spent_tries or elapsed_seconds() >= self.budget_seconds or stopped()

        return Retrying(
            retry=retry_if_result(lambda verdict: verdict is not None and verdict.transient),
            wait=wait,
            stop=spent,
            sleep=pause,
            retry_error_callback=_verdict_of,
        )


def _verdict_of(state: RetryCallState) -> Verdict | None:
    verdict: Verdict | None = state.outcome.result() if state.outcome is not None else None
    return verdict
