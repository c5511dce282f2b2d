"""What became of one root batch: its pieces, each with one fate, and what it took."""

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
    """About the records of a piece."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    """Refused; in the end only where a record stood alone."""
    FAILED = "failed"
    """The last request that carried them failed for another reason."""
    UNDECIDED = "undecided"
    """Some of them were refused, and the bisection's limits were reached."""
    STOPPED = "stopped"
    """The partition stopped before their next request."""
    OUTGROWN = "outgrown"
    """It failed transiently, and batches have to be smaller by now; never in the end."""
    HELD = "held"
    """An earlier record of the same person in this batch was not accepted."""


class Piece(NamedTuple):
    """Some records of a root batch.

    Attributes:
        batch: the records.
        decision: about them.
        verdict: on the last request that carried them; None: none was made.
        attempts: tries of all requests that carried them.
        attempted_at: UTC, start of the last of them.
        tried: the latest of these tries that failed transiently; they count towards the retries.
    """

    batch: Batch
    decision: Decision = Decision.STOPPED
    verdict: Verdict | None = None
    attempts: int = 0
    attempted_at: datetime | None = None
    tried: int = 0


@dataclass
class Settlement:
    """Grows while a root batch is being settled.

    Attributes:
        pieces: that are decided; in the end they hold every record of the batch once.
        sendings: the root's, then its parts', in order.
        splits: how often something was divided because it was refused.
        refused_alone: records that were.
    """

    pieces: list[Piece] = field(default_factory=list)
    sendings: list[Sending] = field(default_factory=list)
    splits: int = 0
    refused_alone: int = 0

    @property
    def attempted(self) -> bool:
        """Whether any request was made."""
        return bool(self.sendings and self.sendings[0].verdict is not None)

    @property
    def extra_requests(self) -> int:
        """HTTP requests beyond those for the root itself."""
        return sum(sending.requests for sending in self.sendings[1:])

    @property
    def last_reason(self) -> str:
        """Says in words of ours what came last."""
        reasons = (sending.verdict.answer.brief for sending in reversed(self.sendings) if sending.verdict is not None)
        return next(reasons, "")

    @property
    def refused_throughout(self) -> bool:
        """Whether nothing but refusals came back; see `refusals`."""
        mixed = {Decision.ACCEPTED, Decision.FAILED}
        return self.refused_alone > 0 and not any(piece.decision in mixed for piece in self.pieces)


def outcome_of(piece: Piece, stop: Stop, batch_id: str, facts: BatchFacts | None) -> RecordOutcome:
    """The fate of a piece's records.

    Args:
        piece: the piece.
        stop: of the partition, for the reason of what it cut off.
        batch_id: of the root batch.
        facts: of the root batch; None: no request was made.
    """
    verdict = piece.verdict
    if verdict is None or facts is None:
        return not_attempted(stop)
    decision = piece.decision
    fate = RecordOutcome(
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
        return fate._replace(error_category=None, error_code=HELD_BACK, error_message=HELD.error_message)
    if decision is Decision.UNDECIDED:
        message = f"its batch was refused, and dividing it ended before it was clear why ({verdict.answer.brief})"
        return fate._replace(error_code=BISECTION_LIMIT, error_message=message)
    if decision is Decision.STOPPED:
        message = f"its batch was refused, and this partition stopped before it was clear why: {stop.cause}"
        return fate._replace(error_code=_code_of(stop), error_message=message)
    return fate


def _message_of(piece: Piece, verdict: Verdict) -> str:
    """Gives the API's own words where a record stood alone; of several, nobody knows whose data they echo."""
    return verdict.answer.reason if piece.batch.size == 1 else verdict.answer.brief


def not_attempted(stop: Stop) -> RecordOutcome:
    """The fate of records whose partition stopped before they were sent."""
    return RecordOutcome(
        NOT_ATTEMPTED, error_code=_code_of(stop), error_message=f"this partition stopped: {stop.cause}"
    )


HELD: Final = RecordOutcome(
    NOT_ATTEMPTED,
    error_code=HELD_BACK,
    error_message="an earlier record of the same person was not accepted; this one waits for the next run",
)
"""The fate of records that were held before their batch was sent."""

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
