"""Builds batches that keep the API's limits; sizes are those of the real request body."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from cio_spark.delivery.records import joined, text_bytes, text_ends

HEAD, TAIL = b'{"batch":[', b"]}"
ENVELOPE_BYTES = len(HEAD) + len(TAIL)


@dataclass(frozen=True)
class Batch:
    """Holds the records that go into one request.

    Attributes:
        records: prepared records that passed validation.
        is_full: whether the next record would not have fitted, under the limit with which the batch was cut.
    """

    records: pa.RecordBatch
    is_full: bool = False

    @property
    def size(self) -> int:
        """Return the number of records."""
        return int(self.records.num_rows)

    @property
    def body_bytes(self) -> int:
        """Return the length of the request's body in bytes."""
        ends = text_ends(self.records.column("payload"))
        return int(ends[-1] - ends[0]) + ENVELOPE_BYTES - 1

    def body(self) -> bytes:
        """Return the request's body; the payloads are copied from the Arrow buffer as they are, with their commas."""
        return b"".join((HEAD, text_bytes(self.records.column("payload"))[:-1], TAIL))

    def chosen(self, which: pa.Array) -> Batch:
        """Return a batch of the records at whose position `which` is true."""
        return Batch(self.records.filter(which))

    def part(self, first: int, records: int) -> Batch:
        """Return a batch of `records` records, beginning at position `first`."""
        return Batch(self.records.slice(first, records))


class BatchLimit(NamedTuple):
    """Limits the size of a request.

    Attributes:
        records: most records, at least 1.
        bytes: most bytes of the body, with envelope and commas; a request with a single record may have more.
    """

    records: int
    bytes: int

    def times(self, share: float) -> BatchLimit:
        """Return a share of this limit, of at least one record."""
        return self if share >= 1.0 else BatchLimit(max(1, int(self.records * share)), int(self.bytes * share))

    def load_of(self, batch: Batch) -> float:
        """Return the share of this limit that a batch fills, by records or by bytes, whichever share is larger."""
        return max(batch.size / self.records, batch.body_bytes / max(1, self.bytes))

    def requests_for(self, batch: Batch) -> int:
        """Count the requests that a batch takes under this limit, as if all its records had the same size."""
        by_bytes = -(-batch.body_bytes // max(1, self.bytes))
        return min(batch.size, max(1, -(-batch.size // self.records), by_bytes))


class BatchBuilder:
    """Fills one batch after the other and keeps the order of the records.

    A record that is too large for the limit gets a batch of its own: validation has already refused the records that
    the API would not accept.
    """

    def __init__(self) -> None:
        self._waiting: list[pa.RecordBatch] = []
        self._records = 0
        self._bytes = 0

    def add(self, records: pa.RecordBatch) -> None:
        """Add records to those that wait for a batch.

        Args:
            records: prepared records that passed validation.
        """
        ends = text_ends(records.column("payload"))
        self._waiting.append(records)
        self._records += records.num_rows
        self._bytes += int(ends[-1] - ends[0])

    @property
    def is_empty(self) -> bool:
        """Tell whether no records wait."""
        return not self._records

    def is_full(self, limit: BatchLimit) -> bool:
        """Tell whether the waiting records fill at least one batch, so that further records would not fit into it."""
        return self._records >= limit.records or self._bytes > _payload_bytes(limit)

    def full(self, limit: BatchLimit) -> Iterator[Batch]:
        """Cut off the full batches and yield them.

        Args:
            limit: limit of each batch.
        """
        while self.is_full(limit) and (batch := self.take(limit)) is not None:
            yield Batch(batch.records, is_full=True)

    def take(self, limit: BatchLimit) -> Batch | None:
        """Cut off one batch, which is not full if too few records wait.

        Args:
            limit: limit of the batch.

        Returns:
            The batch; None if no records wait.
        """
        if not self._records:
            return None
        records = joined(self._waiting)
        if self._records <= limit.records and self._bytes <= _payload_bytes(limit):
            self._keep(records.slice(records.num_rows), 0)
            return Batch(records)
        ends = text_ends(records.column("payload"))
        fitting = int(np.searchsorted(ends, ends[0] + _payload_bytes(limit), side="right")) - 1
        end = min(limit.records, max(fitting, 1), records.num_rows)
        self._keep(records.slice(end), int(ends[-1] - ends[end]))
        return Batch(records.slice(0, end))

    def _keep(self, rest: pa.RecordBatch, size: int) -> None:
        self._waiting = [rest] if rest.num_rows else []
        self._records, self._bytes = rest.num_rows, size


def _payload_bytes(limit: BatchLimit) -> int:
    """Return the bytes of payloads that fit into a body; the last payload's comma is counted, but not sent."""
    return limit.bytes - ENVELOPE_BYTES + 1
