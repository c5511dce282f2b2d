"""Describes what became of one root batch: its pieces, each with one outcome, and the requests that they took."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final, NamedTuple

from cio_spark.delivery.batching import Batch
from cio_spark.delivery.classification import Verdict
from cio_spark.delivery.outcome import (
    ACCEPTED,
    BISECTION_LIMIT,
    FAILED,
    HELD_BACK,
    NOT_ATTEMPTED,
    REJECTED,
    BatchFacts,
    RecordOutcome,
)
from cio_spark.delivery.sending import Sending
from cio_spark.delivery.stop import Stop, StopCode


class Decision(Enum):
    """Lists the decisions about the records of a piece."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """The API refused the piece; in the end this is the decision only about a record that was alone."""
    FAILED = "failed"
    """The last request that carried them failed for another reason."""
    UNDECIDED = "undecided"
    """Some of them were refused, and the bisection's limits were reached."""
    STOPPED = "stopped"
    """The partition stopped before their next request."""
    OUTGROWN = "outgrown"
    """The piece failed transiently, and batches must be smaller by now; in the end this is never the decision."""
    HELD = "held"
    """An earlier record of the same person in this batch was not accepted."""


class Piece(NamedTuple):
    """Holds some records of a root batch, and the decision about them.

    Attributes:
        batch: the records.
        decision: decision about them.
        verdict: verdict on the last request that carried them; None if there was no such request.
        attempts: tries of all requests that carried them.
        attempted_at: UTC start of the last of these requests.
        tried: number of the latest of these tries that failed transiently, in a batch that was then divided for its
            size; they count towards the retries.
    """

    batch: Batch
    decision: Decision = Decision.STOPPED
    verdict: Verdict | None = None
    attempts: int = 0
    attempted_at: datetime | None = None
    tried: int = 0


@dataclass
class Settlement:
    """Collects what becomes of a root batch while it is sent and divided.

    Attributes:
        pieces: pieces with a decision; in the end every record of the batch is in exactly one of them.
        sendings: the sending of the root, then those of its parts, in order.
        splits: how often the batch or a part was divided because it was refused.
        refused_alone: number of records that were refused alone.
    """

    pieces: list[Piece] = field(default_factory=list)
    sendings: list[Sending] = field(default_factory=list)
    splits: int = 0
    refused_alone: int = 0

    @property
    def attempted(self) -> bool:
        """Tell whether any request was made."""
        return bool(self.sendings and self.sendings[0].verdict is not None)

    @property
    def extra_requests(self) -> int:
        """Count the HTTP requests beyond those for the root itself."""
        return sum(sending.requests for sending in self.sendings[1:])

    @property
    def last_reason(self) -> str:
        """Return a description of the last answer without words of the API; empty if there was no answer."""
        reasons = (sending.verdict.answer.brief for sending in reversed(self.sendings) if sending.verdict is not None)
        return next(reasons, "")

    @property
    def refused_throughout(self) -> bool:
        """Tell whether all answers were refusals, at least one of a single record; see `refusal_quarantine`."""
        mixed = {Decision.ACCEPTED, Decision.FAILED}
        return self.refused_alone > 0 and not any(piece.decision in mixed for piece in self.pieces)


def outcome_of(piece: Piece, stop: Stop, batch_id: str, facts: BatchFacts | None) -> RecordOutcome:
    """Return the outcome of a piece's records.

    Args:
        piece: the piece.
        stop: stop flag of the partition; it has the reason for records that were not sent because of it.
        batch_id: id of the root batch.
        facts: facts of the root batch; None if no request was made.
    """
    verdict = piece.verdict
    if verdict is None or facts is None:
        return not_attempted(stop)
    decision = piece.decision
    outcome = RecordOutcome(
        status=_STATUSES[decision],
        error_category=verdict.category.value if verdict.category is not None else None,
        error_code=verdict.code,
        error_message=None if verdict.accepted else _message_of(piece, verdict),
        http_status=verdict.answer.status,
        batch_id=batch_id,
        attempts=piece.attempts,
        attempted_at=piece.attempted_at,
        batch=facts,
    )
    if decision is Decision.HELD:
        return outcome._replace(error_category=None, error_code=HELD_BACK, error_message=HELD.error_message)
    if decision is Decision.UNDECIDED:
        message = f"its batch was refused, and dividing it ended before it was clear why ({verdict.answer.brief})"
        return outcome._replace(error_code=BISECTION_LIMIT, error_message=message)
    if decision is Decision.STOPPED:
        message = f"its batch was refused, and this partition stopped before it was clear why: {stop.cause}"
        return outcome._replace(error_code=_code_of(stop), error_message=message)
    return outcome


def _message_of(piece: Piece, verdict: Verdict) -> str:
    """Return the API's words if the record was alone; else a text without them: nobody knows whose data they repeat."""
    return verdict.answer.reason if piece.batch.size == 1 else verdict.answer.brief


def not_attempted(stop: Stop) -> RecordOutcome:
    """Return the outcome of records whose partition stopped before they were sent."""
    return RecordOutcome(
        NOT_ATTEMPTED, error_code=_code_of(stop), error_message=f"this partition stopped: {stop.cause}"
    )


HELD: Final = RecordOutcome(
    NOT_ATTEMPTED,
    error_code=HELD_BACK,
    error_message="an earlier record of the same person was not accepted; this one waits for the next run",
)
"""Outcome of records of blocked persons that were taken out of their batch before it was sent."""

_STATUSES: Final = {
    Decision.ACCEPTED: ACCEPTED,
    Decision.REJECTED: REJECTED,
    Decision.FAILED: FAILED,
    Decision.UNDECIDED: FAILED,
    Decision.STOPPED: FAILED,
    Decision.OUTGROWN: FAILED,
    Decision.HELD: NOT_ATTEMPTED,
}


def _code_of(stop: Stop) -> str:
    return (stop.code or StopCode.STOPPED).value
