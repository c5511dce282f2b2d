"""Decides what an answer means, by one table of statuses and the kind of failure, never by words in a message."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from enum import Enum
from typing import Final

from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.stop import StopCode


class Outcome(Enum):
    """Lists what an answer can mean for its request and for the records in it."""

    ACCEPTED = "accepted"
    TRANSIENT = "transient"
    """The answer says nothing about the records.

    The same request is sent again; after the last try its records are `failed`.
    """
    REFUSED = "refused"
    """A record of the request is bad.

    The batch is halved; a record that is refused alone is `rejected`, and for the ledger it is then held.
    """
    TERMINAL = "terminal"
    """Another try would end in the same way, but the answer says nothing about other requests.

    The records are `failed`.
    """
    STOP = "stop"
    """Every other request would end in the same way.

    The run stops; the records are `failed`, and the remaining records are not attempted.
    """


class ErrorCategory(str, Enum):
    """Lists the kinds of error, as they are written to the tables."""

    RATE_LIMIT = "rate_limit"
    NETWORK = "network"
    TIMEOUT = "timeout"
    SERVER = "server"
    VALIDATION = "validation"
    TOO_LARGE = "too_large"
    AUTHENTICATION = "authentication"
    UNKNOWN = "unknown"


class ApiSign(Enum):
    """Lists what an answer can say about the API itself, for the circuit breaker."""

    ALIVE = "alive"
    """The API is there and does its work."""
    FAILING = "failing"
    """The API does not do its work now."""
    SILENT = "silent"
    """The answer says nothing about the API: somebody else may have sent it, such as a proxy."""


@dataclass(frozen=True)
class Rule:
    """Describes the meaning of one kind of answer.

    Attributes:
        outcome: what happens to the request and its records.
        category: kind of error; None if the request was accepted.
        sign: what the answer says about the API.
        code: short, stable word for the error; None for `http_<status>`.
        stop_code: reason why the run stops; None if the run goes on.
    """

    outcome: Outcome
    category: ErrorCategory | None
    sign: ApiSign
    code: str | None = None
    stop_code: StopCode | None = None


STATUS_TABLE: Final[tuple[tuple[Container[int], Rule], ...]] = (
    (range(200, 300), Rule(Outcome.ACCEPTED, None, ApiSign.ALIVE)),
    # About the record
    ({400, 422}, Rule(Outcome.REFUSED, ErrorCategory.VALIDATION, ApiSign.ALIVE)),
    ({413}, Rule(Outcome.REFUSED, ErrorCategory.TOO_LARGE, ApiSign.ALIVE)),
    # About the key
    ({401, 403}, Rule(Outcome.STOP, ErrorCategory.AUTHENTICATION, ApiSign.ALIVE, stop_code=StopCode.KEY_REFUSED)),
    # About the moment
    ({408}, Rule(Outcome.TRANSIENT, ErrorCategory.TIMEOUT, ApiSign.FAILING)),
    ({429}, Rule(Outcome.TRANSIENT, ErrorCategory.RATE_LIMIT, ApiSign.FAILING)),
    ({409, 423, 425}, Rule(Outcome.TRANSIENT, ErrorCategory.SERVER, ApiSign.FAILING)),
    # About the address, the account or the network path: no other request of this run would have a better result
    (range(300, 400), Rule(Outcome.STOP, ErrorCategory.UNKNOWN, ApiSign.SILENT, "redirect", StopCode.STOPPED)),
    (
        range(400, 500),
        Rule(Outcome.STOP, ErrorCategory.UNKNOWN, ApiSign.SILENT, "refused_by_api", StopCode.REFUSED_BY_API),
    ),
    # About the moment: 5xx, including those of an edge in front of the API (520 to 530). A status that HTTP does not
    # define is read as a 5xx (RFC 9110, section 15), and so is a 1xx, after which the final answer should have come
    (range(1000), Rule(Outcome.TRANSIENT, ErrorCategory.SERVER, ApiSign.FAILING)),
)
"""Meaning of each HTTP status: the first row with the status applies (docs/decisions/0013-one-table-of-statuses.md)."""

_FAILURES: Final = {
    Failure.CONNECTION: Rule(Outcome.TRANSIENT, ErrorCategory.NETWORK, ApiSign.FAILING, "connection"),
    Failure.TIMEOUT: Rule(Outcome.TRANSIENT, ErrorCategory.TIMEOUT, ApiSign.FAILING, "timeout"),
    Failure.REQUEST: Rule(Outcome.TERMINAL, ErrorCategory.UNKNOWN, ApiSign.SILENT, "request"),
}


@dataclass(frozen=True)
class Verdict:
    """Holds an answer and the rule that applies to it.

    Attributes:
        rule: the rule that applies.
        answer: the answer.
    """

    rule: Rule
    answer: Answer

    @property
    def outcome(self) -> Outcome:
        """Return what happens to the request and its records."""
        return self.rule.outcome

    @property
    def category(self) -> ErrorCategory | None:
        """Return the kind of error; None if the request was accepted."""
        return self.rule.category

    @property
    def code(self) -> str | None:
        """Return a short, stable word for the error; None if the request was accepted."""
        return None if self.accepted else self.rule.code or f"http_{self.answer.status}"

    @property
    def accepted(self) -> bool:
        """Tell whether the API accepted the request."""
        return self.rule.outcome is Outcome.ACCEPTED

    @property
    def transient(self) -> bool:
        """Tell whether another try is worth it."""
        return self.rule.outcome is Outcome.TRANSIENT


def classify(answer: Answer) -> Verdict:
    """Find the rule for an answer, by its status or, without a status, by its kind of failure."""
    status = answer.status
    if status is None:
        return Verdict(_FAILURES[answer.failure or Failure.REQUEST], answer)
    return Verdict(next(rule for statuses, rule in STATUS_TABLE if status in statuses), answer)
