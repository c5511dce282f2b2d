"""What an answer means: decided by status and kind of failure, never by words in a message."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from cio_spark.delivery.answer import Answer, Failure

RETRYABLE_STATUSES: Final = frozenset({408, 429, 500, 502, 503, 504, 522, 524})
"""What the official Node client tries again (customerio-node, lib/request.ts)."""


class Outcome(Enum):
    """What happens next."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    """Worth another try."""
    TERMINAL = "terminal"
    """Another try would end the same way."""
    STOP = "stop"
    """Every other request would end the same way too."""


class ErrorCategory(str, Enum):
    """Kinds of error, as they are written to the tables."""

    RATE_LIMIT = "rate_limit"
    NETWORK = "network"
    TIMEOUT = "timeout"
    SERVER = "server"
    VALIDATION = "validation"
    TOO_LARGE = "too_large"
    AUTHENTICATION = "authentication"
    UNKNOWN = "unknown"


@dataclass(frozen=True)
class Verdict:
    """An answer, judged.

    Attributes:
        outcome: what happens next.
        category: kind of error, None when accepted.
        code: short, stable word for it, None when accepted.
        answer: what was judged.
    """

    outcome: Outcome
    category: ErrorCategory | None
    code: str | None
    answer: Answer

    @property
    def accepted(self) -> bool:
        """Whether the API took the request."""
        return self.outcome is Outcome.ACCEPTED

    @property
    def transient(self) -> bool:
        """Whether another try is worth it."""
        return self.outcome is Outcome.TRANSIENT

    @property
    def stop(self) -> bool:
        """Whether every other request would end the same way."""
        return self.outcome is Outcome.STOP


def classify(answer: Answer) -> Verdict:
    """Judge an answer."""
    status = answer.status
    if status is None:
        return _classify_failure(answer)
    if answer.is_success:
        return Verdict(Outcome.ACCEPTED, None, None, answer)
    if answer.is_redirect:
        return Verdict(Outcome.STOP, ErrorCategory.UNKNOWN, "redirect", answer)
    category = _category_of(status)
    if category is ErrorCategory.AUTHENTICATION:
        outcome = Outcome.STOP
    else:
        outcome = Outcome.TRANSIENT if status in RETRYABLE_STATUSES else Outcome.TERMINAL
    return Verdict(outcome, category, f"http_{status}", answer)


def _classify_failure(answer: Answer) -> Verdict:
    if answer.failure is Failure.CONNECTION:
        return Verdict(Outcome.TRANSIENT, ErrorCategory.NETWORK, "connection", answer)
    if answer.failure is Failure.TIMEOUT:
        return Verdict(Outcome.TRANSIENT, ErrorCategory.TIMEOUT, "timeout", answer)
    return Verdict(Outcome.TERMINAL, ErrorCategory.UNKNOWN, "request", answer)


def _category_of(status: int) -> ErrorCategory:
    if status in (401, 403):
        return ErrorCategory.AUTHENTICATION
    if status == 408:
        return ErrorCategory.TIMEOUT
    if status == 413:
        return ErrorCategory.TOO_LARGE
    if status == 429:
        return ErrorCategory.RATE_LIMIT
    if 400 <= status < 500:
        return ErrorCategory.VALIDATION
    return ErrorCategory.SERVER if 500 <= status < 600 else ErrorCategory.UNKNOWN
