"""Says what an answer means: decided by one table of statuses and the kind of failure, never by words in a message."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.stop import StopCode


class Outcome(Enum):
    """Says what happens next to the request, and what becomes of its records."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    """Says nothing of the records. The same request goes again; in the end its records are `failed`."""
    REFUSED = "refused"
    """Says that a record is bad. The batch is halved; a record that is refused alone is `rejected`, and held."""
    TERMINAL = "terminal"
    """Another try would end the same way, but nothing is known of other requests. The records are `failed`."""
    STOP = "stop"
    """Every other request would end the same way. The run stops; the records are `failed`, the rest not attempted."""


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


class ApiSign(Enum):
    """Tells what an answer says of the API itself, for the circuit breaker."""

    ALIVE = "alive"
    """It is there, and does its work."""
    FAILING = "failing"
    """It does not do its work now."""
    SILENT = "silent"
    """Nothing: somebody else may have answered, such as a proxy."""


@dataclass(frozen=True)
class Rule:
    """Says what an answer of one kind means.

    Attributes:
        outcome: of the request and its records.
        category: kind of error, None when accepted.
        sign: of the API.
        code: short, stable word for it; None: `http_<status>`.
        stop_code: why the run stops; None: it goes on.
    """

    outcome: Outcome
    category: ErrorCategory | None
    sign: ApiSign
    code: str | None = None
    stop_code: StopCode | None = None


STATUS_TABLE: Final[tuple[tuple[Container[int], Rule], ...]] = (
    (range(200, 300), Rule(Outcome.ACCEPTED, None, ApiSign.ALIVE)),
    # Of the record
    ({400, 422}, Rule(Outcome.REFUSED, ErrorCategory.VALIDATION, ApiSign.ALIVE)),
    ({413}, Rule(Outcome.REFUSED, ErrorCategory.TOO_LARGE, ApiSign.ALIVE)),
    # Of the key
    ({401, 403}, Rule(Outcome.STOP, ErrorCategory.AUTHENTICATION, ApiSign.ALIVE, stop_code=StopCode.KEY_REFUSED)),
    # Of the moment
    ({408}, Rule(Outcome.TRANSIENT, ErrorCategory.TIMEOUT, ApiSign.FAILING)),
    ({429}, Rule(Outcome.TRANSIENT, ErrorCategory.RATE_LIMIT, ApiSign.FAILING)),
    ({409, 423, 425}, Rule(Outcome.TRANSIENT, ErrorCategory.SERVER, ApiSign.FAILING)),
    # Of the address, the account, the way there: no request of this run fares better
    (range(300, 400), Rule(Outcome.STOP, ErrorCategory.UNKNOWN, ApiSign.SILENT, "redirect", StopCode.STOPPED)),
    (
        range(400, 500),
        Rule(Outcome.STOP, ErrorCategory.UNKNOWN, ApiSign.SILENT, "refused_by_api", StopCode.REFUSED_BY_API),
    ),
    # Of the moment: 5xx, those of an edge in front of the API included (520 to 530). A status that HTTP does not have
    # is read as a 5xx (RFC 9110, section 15), and so is a 1xx, after which the answer should have come
    (range(1000), Rule(Outcome.TRANSIENT, ErrorCategory.SERVER, ApiSign.FAILING)),
)
"""Says what each HTTP status means: the first row that has it counts (docs/decisions/0013-one-table-of-statuses.md)."""

_FAILURES: Final = {
    Failure.CONNECTION: Rule(Outcome.TRANSIENT, ErrorCategory.NETWORK, ApiSign.FAILING, "connection"),
    Failure.TIMEOUT: Rule(Outcome.TRANSIENT, ErrorCategory.TIMEOUT, ApiSign.FAILING, "timeout"),
    Failure.REQUEST: Rule(Outcome.TERMINAL, ErrorCategory.UNKNOWN, ApiSign.SILENT, "request"),
}


@dataclass(frozen=True)
class Verdict:
    """An answer, judged.

    Attributes:
        rule: that the answer falls under.
        answer: what was judged.
    """

    rule: Rule
    answer: Answer

    @property
    def outcome(self) -> Outcome:
        """Says what happens next."""
        return self.rule.outcome

    @property
    def category(self) -> ErrorCategory | None:
        """Gives the kind of error, None when accepted."""
        return self.rule.category

    @property
    def code(self) -> str | None:
        """Gives a short, stable word for the error, None when accepted."""
        return None if self.accepted else self.rule.code or f"http_{self.answer.status}"

    @property
    def accepted(self) -> bool:
        """Says that the API took the request."""
        return self.rule.outcome is Outcome.ACCEPTED

    @property
    def transient(self) -> bool:
        """Says that another try is worth it."""
        return self.rule.outcome is Outcome.TRANSIENT


def classify(answer: Answer) -> Verdict:
    """Judge an answer."""
    status = answer.status
    if status is None:
        return Verdict(_FAILURES[answer.failure or Failure.REQUEST], answer)
    return Verdict(next(rule for statuses, rule in STATUS_TABLE if status in statuses), answer)
