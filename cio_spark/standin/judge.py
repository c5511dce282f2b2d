"""Decides what the API does with one body: which messages it takes, which it refuses and why, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass, field

from cio_spark.standin.body import MalformedBodyError, read_items
from cio_spark.standin.contract import (
    BODY_LIMIT_BYTES,
    ID_LIMIT_BYTES,
    ITEM_LIMIT_BYTES,
    SAFE_ITEM_BYTES,
    Contract,
    RefusedMessageError,
    read_message,
)
from cio_spark.standin.message import Message, NoMessage
from cio_spark.standin.store import DroppedRow, MessageRow
from cio_spark.standin.wire import BrokenCompressionError, decompress


@dataclass(frozen=True)
class ReceivedRequest:
    """Holds one request as it was received.

    Args:
        number: number of the request, in order of arrival.
        call: path of the request, without its slash.
        body: body as it was on the wire.
        encoding: Content-Encoding in lower case; empty if there is none.
        strict: whether `X-Strict-Mode: 1` was sent.
        authorized: whether the API key is right.
        poison: ids of messages and persons that the script refuses.
    """

    number: int
    call: str
    body: bytes
    encoding: str
    strict: bool
    authorized: bool
    poison: frozenset[str] = frozenset()


@dataclass
class ContractDecision:
    """Holds the decision about a delivery.

    Args:
        status: HTTP status of the answer.
        reasons: reasons that an answer in strict mode gives.
        body: the uncompressed body.
        items: number of messages in the body, as far as it could be read.
        items_over_limit: number of messages above 32,000 bytes.
        persons: persons of the valid messages.
        messages: rows of the messages that the API takes.
        dropped: rows of the messages that the API refuses.
    """

    status: int = 200
    reasons: list[str] = field(default_factory=list)
    body: bytes = b""
    items: int = 0
    items_over_limit: int = 0
    persons: frozenset[str] = frozenset()
    messages: list[MessageRow] = field(default_factory=list)
    dropped: list[DroppedRow] = field(default_factory=list)

    def refuse(self, delivery: ReceivedRequest, status: int, reason: str) -> None:
        """Refuse the whole delivery; without strict mode it is answered 200 all the same.

        Args:
            delivery: the delivery.
            status: HTTP status of the answer in strict mode.
            reason: reason for the refusal.
        """
        self.messages = []
        self.dropped = [(delivery.number, None, None, reason)]
        self.status = status if delivery.strict else 200
        self.reasons = [reason]


def apply_contract(delivery: ReceivedRequest, contract: Contract) -> ContractDecision:
    """Apply the contract to a delivery; the rules come from the documentation of strict mode, see `contract.py`."""
    verdict = ContractDecision()
    oversize_status = contract.oversize_status if contract.strict_covers_size else 200
    try:
        verdict.body = _expand(delivery, contract)
        statuses = _read_messages(delivery, contract, verdict, oversize_status)
    except _RefusedBodyError as refusal:
        verdict.refuse(delivery, *refusal.args)
    else:
        verdict.persons = frozenset(row[3] for row in verdict.messages if row[3] is not None)
        loud = [status for status in statuses if status != 200]
        if delivery.strict and loud:
            verdict.status = loud[0]
            if not contract.keep_good_items_on_400:
                verdict.messages = []
    if len(verdict.body) > BODY_LIMIT_BYTES:
        verdict.refuse(delivery, oversize_status, f"body is larger than {BODY_LIMIT_BYTES} bytes")
    if not delivery.authorized:
        verdict.refuse(delivery, 401, "API key is missing or unknown")
    return verdict


class _RefusedBodyError(Exception):
    """Reports that the whole body is refused; its arguments are the HTTP status and the reason."""


def _expand(delivery: ReceivedRequest, contract: Contract) -> bytes:
    if delivery.encoding in ("", "identity"):
        return delivery.body
    if delivery.encoding != "gzip" or not contract.accept_gzip:
        raise _RefusedBodyError(contract.gzip_refused_status, "Content-Encoding is not supported")
    try:
        return decompress(delivery.body)
    except BrokenCompressionError:
        raise _RefusedBodyError(400, "body is not gzip") from None


def _read_messages(
    delivery: ReceivedRequest, contract: Contract, verdict: ContractDecision, oversize_status: int
) -> list[int]:
    """Add the body's messages to the verdict, and return the HTTP status that each dropped message asks for."""
    number, call, poison, alias = delivery.number, delivery.call, delivery.poison, contract.alias_in_batch
    take = verdict.messages.append
    statuses: list[int] = []
    position = -1
    try:
        for position, (message, size_bytes) in enumerate(read_items(verdict.body, call)):
            status = 400
            try:
                if size_bytes > SAFE_ITEM_BYTES:
                    verdict.items_over_limit += 1
                    if size_bytes > ITEM_LIMIT_BYTES:
                        status = oversize_status
                        raise RefusedMessageError(f"message is larger than {ITEM_LIMIT_BYTES} bytes")
                kind, person, message_id, event, timestamp = read_message(message, call, alias)
                if poison and (message_id in poison or person in poison):
                    raise RefusedMessageError("message is refused by the script")
            except RefusedMessageError as refusal:
                statuses.append(status)
                verdict.reasons += [str(refusal)] if status != 200 else []
                verdict.dropped.append((number, position, _message_id(message), str(refusal)))
            else:
                take((number, position, kind, person, message_id, event, timestamp))
    except MalformedBodyError as error:
        raise _RefusedBodyError(400, str(error)) from None
    finally:
        verdict.items = position + 1
    return statuses


def _message_id(message: Message | NoMessage) -> str | None:
    """Return the id of a message that may be invalid; None if it has no id that can be stored."""
    found = message.message_id
    return found[:ID_LIMIT_BYTES] if isinstance(found, str) and found.isascii() else None
