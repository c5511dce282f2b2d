"""Batches that keep the API's limits, counted as the body will really be."""

from __future__ import annotations

from itertools import compress
from typing import NamedTuple

from cio_spark.delivery.records import Records

HEAD, TAIL = '{"batch":[', "]}"
ENVELOPE_BYTES = len(HEAD) + len(TAIL)


class Batch(NamedTuple):
    """Records that go into one request.

    Attributes:
        payloads: their calls as JSON.
        records: who they are, in the same order.
    """

    payloads: list[str]
    records: Records

    def body(self) -> bytes:
        """The request's body."""
        return f"{HEAD}{','.join(self.payloads)}{TAIL}".encode()

    def chosen(self, which: list[bool]) -> Batch:
        """The part whose place in `which` is true."""
        return Batch(list(compress(self.payloads, which)), self.records.chosen(which))


class BatchBuilder:
    """Fills one batch after the other, in the order the records come.

    A record that is too large for any batch gets one of its own: validation has refused what the API would not take.

    Args:
        max_records: records a batch may have.
        max_bytes: bytes its body may have, envelope and commas included.
    """

    __slots__ = ("_batch", "_bytes", "_max_bytes", "_max_records")

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        # The first payload comes without a comma, yet one is counted for each.
        self._max_bytes = max_bytes - ENVELOPE_BYTES + 1
        self._batch = Batch([], Records.none())
        self._bytes = 0

    def add(
        self,
        payload: str,
        payload_bytes: int,
        record_id: str | None,
        person_key: str | None,
        message_id: str | None,
        payload_hash: int | None,
    ) -> Batch | None:
        """Take one record.

        Returns:
            The batch that is full now: the one before it if the record did not fit, else the one it has filled.
        """
        full = None
        self._bytes += payload_bytes + 1
        if self._bytes > self._max_bytes and self._batch.payloads:
            full = self.take()
            self._bytes = payload_bytes + 1
        payloads, (ids, persons, messages, hashes, sizes) = self._batch
        payloads.append(payload)
        ids.append(record_id)
        persons.append(person_key)
        messages.append(message_id)
        hashes.append(payload_hash)
        sizes.append(payload_bytes)
        # Only with room for one record could both this batch and the one before be full; then that one was given out.
        return self.take() if len(payloads) >= self._max_records else full

    def take(self) -> Batch | None:
        """What there is so far; None if that is nothing."""
        batch = self._batch
        self._batch = Batch([], Records.none())
        self._bytes = 0
        return batch if batch.payloads else None
