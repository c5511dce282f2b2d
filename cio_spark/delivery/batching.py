"""Batches that keep the API's limits, counted as the body will really be."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

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
    """

    records: pa.RecordBatch

    @property
    def size(self) -> int:
        """How many records."""
        return int(self.records.num_rows)

    def body(self) -> bytes:
        """The request's body: payloads are cut out of the Arrow buffer as they stand, commas and all."""
        return b"".join((HEAD, text_bytes(self.records.column("payload"))[:-1], TAIL))

    def chosen(self, which: pa.Array) -> Batch:
        """The part whose place in `which` is true."""
        return Batch(self.records.filter(which))

    def part(self, first: int, records: int) -> Batch:
        """So many records from the first on."""
        return Batch(self.records.slice(first, records))


class BatchBuilder:
    """Fills one batch after the other, in the order the records come.

    A record that is too large for any batch gets one of its own: validation has refused what the API would not take.

    Args:
        max_records: records a batch may have.
        max_bytes: bytes its body may have, envelope and commas included.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        # The last payload's comma is counted, but not sent
        self._max_bytes = max_bytes - ENVELOPE_BYTES + 1
        self._waiting: list[pa.RecordBatch] = []
        self._records = 0
        self._bytes = 0

    def add(self, records: pa.RecordBatch) -> Iterator[Batch]:
        """Take records; gives the batches that are full now."""
        ends = text_ends(records.column("payload"))
        self._waiting.append(records)
        self._records += records.num_rows
        self._bytes += int(ends[-1] - ends[0])
        if self._records >= self._max_records or self._bytes > self._max_bytes:
            yield from self._cut()

    def take(self) -> Batch | None:
        """What there is so far, less than a full batch; None if that is nothing."""
        if not self._records:
            return None
        batch = Batch(joined(self._waiting))
        self._keep(batch.records.slice(batch.size), 0)
        return batch

    def _cut(self) -> Iterator[Batch]:
        records = joined(self._waiting)
        ends = text_ends(records.column("payload"))
        first, last = 0, records.num_rows
        while first < last:
            fitting = int(np.searchsorted(ends, ends[first] + self._max_bytes, side="right")) - 1
            end = min(first + self._max_records, max(fitting, first + 1))
            if end >= last and last - first < self._max_records:
                break  # what comes next may still fit in
            yield Batch(records.slice(first, end - first))
            first = end
        self._keep(records.slice(first), int(ends[-1] - ends[first]))

    def _keep(self, rest: pa.RecordBatch, size: int) -> None:
        self._waiting = [rest] if rest.num_rows else []
        self._records, self._bytes = rest.num_rows, size
