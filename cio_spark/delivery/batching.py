"""Batches that keep the API's limits, counted as the body will really be."""

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
    """Records that go into one request.

    Attributes:
        records: prepared records, none of them refused.
        is_full: whether what came next would not have fitted, under the limit that it was cut with.
    """

    records: pa.RecordBatch
    is_full: bool = False

    @property
    def size(self) -> int:
        """How many records."""
        return int(self.records.num_rows)

    @property
    def body_bytes(self) -> int:
        """Bytes of the request's body."""
        ends = text_ends(self.records.column("payload"))
        return int(ends[-1] - ends[0]) + ENVELOPE_BYTES - 1

    def body(self) -> bytes:
        """The request's body: payloads are cut out of the Arrow buffer as they stand, commas and all."""
        return b"".join((HEAD, text_bytes(self.records.column("payload"))[:-1], TAIL))

    def chosen(self, which: pa.Array) -> Batch:
        """The part whose place in `which` is true."""
        return Batch(self.records.filter(which))

    def part(self, first: int, records: int) -> Batch:
        """So many records from the first on."""
        return Batch(self.records.slice(first, records))


class BatchLimit(NamedTuple):
    """Says how much a request may carry.

    Attributes:
        records: at most, at least 1.
        bytes: of its body, envelope and commas included; a single record may have more.
    """

    records: int
    bytes: int

    def times(self, share: float) -> BatchLimit:
        """The limit for a part of it, of at least one record."""
        return self if share >= 1.0 else BatchLimit(max(1, int(self.records * share)), int(self.bytes * share))

    def load_of(self, batch: Batch) -> float:
        """The part of this limit that a batch fills, by records or by bytes, whichever is more."""
        return max(batch.size / self.records, batch.body_bytes / max(1, self.bytes))

    def requests_for(self, batch: Batch) -> int:
        """Count the requests that a batch takes under this limit, if its records were of one size."""
        by_bytes = -(-batch.body_bytes // max(1, self.bytes))
        return min(batch.size, max(1, -(-batch.size // self.records), by_bytes))


class BatchBuilder:
    """Fills one batch after the other, in the order the records come.

    A record that is too large for any batch gets one of its own: validation has refused what the API would not take.
    """

    def __init__(self) -> None:
        self._waiting: list[pa.RecordBatch] = []
        self._records = 0
        self._bytes = 0

    def add(self, records: pa.RecordBatch) -> None:
        """Take records.

        Args:
            records: prepared records, none of them refused.
        """
        ends = text_ends(records.column("payload"))
        self._waiting.append(records)
        self._records += records.num_rows
        self._bytes += int(ends[-1] - ends[0])

    @property
    def is_empty(self) -> bool:
        """Tell whether there is nothing."""
        return not self._records

    def is_full(self, limit: BatchLimit) -> bool:
        """Tell whether there is at least one full batch: what comes next would not fit into it."""
        return self._records >= limit.records or self._bytes > _payload_bytes(limit)

    def full(self, limit: BatchLimit) -> Iterator[Batch]:
        """Cut off the batches that are full.

        Args:
            limit: of each batch.
        """
        while self.is_full(limit) and (batch := self.take(limit)) is not None:
            yield Batch(batch.records, is_full=True)

    def take(self, limit: BatchLimit) -> Batch | None:
        """Cut off one batch, as full as what is there makes it; None if there is nothing.

        Args:
            limit: of the batch.
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
    """Bytes of payloads that fit into a body; the last one's comma is counted, but not sent."""
    return limit.bytes - ENVELOPE_BYTES + 1
