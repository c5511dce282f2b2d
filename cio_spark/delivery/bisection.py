"""Divides a refused batch until each bad record is alone, and a failed batch that has become too large."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from cio_spark.clock import Clock
from cio_spark.delivery.batching import Batch
from cio_spark.delivery.classification import Outcome, Verdict
from cio_spark.delivery.person_order import BlockedPersons
from cio_spark.delivery.retry import RETRY_BUDGET_SECONDS
from cio_spark.delivery.sending import Sending
from cio_spark.delivery.settlement import Decision, Piece, Settlement

MAX_EXTRA_REQUESTS: Final = 64
"""Most HTTP requests that may be made for the parts of one root batch, retries of the parts included."""

Send: TypeAlias = Callable[[Batch, "int | None", int], Sending]
"""Type of the function that sends a batch, with retries.

Its numbers are the most HTTP requests (None for as many as the retry policy allows), and the tries that the records of
the batch have already had in a larger batch.
"""


class Bisection:
    """Sends root batches, and divides those that are refused or have become too large.

    A 400 tells neither which record was bad nor whether the API kept the good ones; a 413 only tells that the request
    was too large. So a refused batch is divided into halves, which are sent with the same message ids. The first half
    is finished, down to its last record, before the second half is sent, so that each person's records keep their
    order. A record that is refused alone is rejected. When the limits are reached, refused parts stay undecided, and so
    do the parts that were not sent by then.

    A batch that fails transiently while the size of requests shrinks (`batch.strategy`) is divided into as many parts
    as the new size demands. Its tries count as tries of its parts: by division, no record gets more tries than
    `retry_attempts` allows.

    The work is bounded: at most `MAX_EXTRA_REQUESTS` requests for the parts of a root batch, and no part is started
    more than `RETRY_BUDGET_SECONDS` after the root. If almost everything that the process has sent was refused, the
    division ends with the first record that is refused alone.

    Args:
        send: sends a batch, see `Send`.
        held: persons whose records must wait; the persons of a part that was not accepted are added before the next
            part is sent.
        clock: tells the time.
        divides: whether refused batches are divided; if False, a refused batch of several records fails.
        nearly_everything_refused: tells whether one more refused record would prove that the API refuses everything,
            see `refusal_quarantine`.
        parts_of: counts the requests into which a batch would be cut now.
    """

    def __init__(
        self,
        send: Send,
        held: BlockedPersons,
        clock: Clock,
        *,
        divides: bool,
        nearly_everything_refused: Callable[[], bool],
        parts_of: Callable[[Batch], int] = lambda _: 1,
    ) -> None:
        self._send = send
        self._held = held
        self._clock = clock
        self._divides = divides
        self._nearly_everything_refused = nearly_everything_refused
        self._parts_of = parts_of

    def settle(self, root: Batch) -> Settlement:
        """Send a batch and, if necessary, its parts, until there is a decision about every record."""
        settlement = Settlement()
        until = self._clock.monotonic() + RETRY_BUDGET_SECONDS
        whole = self._attempt(Piece(root), settlement, None)
        waiting = self._settle(whole, settlement)
        while waiting:
            piece = waiting.pop()
            free, held = self._held.take_out(piece.batch)
            if held is not None:
                settlement.pieces.append(piece._replace(batch=held, decision=Decision.HELD))
            if not free.size:
                continue
            piece = piece._replace(batch=free)
            if self._is_over(settlement, until):
                piece = piece._replace(decision=_left(piece, Decision.UNDECIDED))
            else:
                piece = self._attempt(piece, settlement, MAX_EXTRA_REQUESTS - settlement.extra_requests)
            waiting += self._settle(piece, settlement)
        return settlement

    def _attempt(self, piece: Piece, settlement: Settlement, most_requests: int | None) -> Piece:
        sending = self._send(piece.batch, most_requests, piece.tried)
        settlement.sendings.append(sending)
        if sending.verdict is None:
            return piece._replace(decision=_left(piece, Decision.STOPPED))
        return Piece(
            piece.batch,
            Decision.OUTGROWN if sending.outgrown else _decide(sending.verdict),
            sending.verdict,
            piece.attempts + sending.attempts,
            sending.attempted_at,
            piece.tried + sending.attempts if sending.outgrown else 0,
        )

    def _settle(self, piece: Piece, settlement: Settlement) -> list[Piece]:
        """Add a decided piece to the settlement, or divide a piece that is not decided yet.

        Returns:
            The parts that are still to be sent, the first part last; none if the piece is decided.
        """
        several = piece.batch.size > 1
        if several and piece.decision is Decision.OUTGROWN:
            return _divided(piece, max(2, self._parts_of(piece.batch)))
        if several and piece.decision is Decision.REJECTED:
            if self._divides:
                settlement.splits += 1
                return _divided(piece, 2)
            piece = piece._replace(decision=Decision.FAILED)
        if piece.decision is Decision.REJECTED:
            settlement.refused_alone += 1
        if piece.decision is not Decision.ACCEPTED:
            self._held.add(piece.batch)
        settlement.pieces.append(piece)
        return []

    def _is_over(self, settlement: Settlement, until: float) -> bool:
        return (
            settlement.extra_requests >= MAX_EXTRA_REQUESTS
            or self._clock.monotonic() >= until
            or (settlement.refused_alone > 0 and self._nearly_everything_refused())
        )


def _left(piece: Piece, if_refused: Decision) -> Decision:
    """Decide about a part that is not sent any more: a part that failed before stays failed."""
    return Decision.FAILED if piece.decision is Decision.OUTGROWN else if_refused


def _divided(piece: Piece, parts: int) -> list[Piece]:
    """Divide a piece into parts of about equal size, and return the last part first."""
    records = -(-piece.batch.size // parts)
    firsts = range(0, piece.batch.size, records)
    return [piece._replace(batch=piece.batch.part(first, records)) for first in reversed(firsts)]


def _decide(verdict: Verdict) -> Decision:
    if verdict.accepted:
        return Decision.ACCEPTED
    return Decision.REJECTED if verdict.outcome is Outcome.REFUSED else Decision.FAILED
