"""Cuts a list of requests into batches that keep the limits, counted as the body will really be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cio_spark.config import BatchConfiguration
from cio_spark.delivery.batching import ENVELOPE_BYTES, BatchLimit
from cio_spark.delivery.sizing import first_share
from cio_spark.notebook.request import prepare_request
from cio_spark.planning.request_limits import RequestLimits, body_limit


class BatchCutter:
    """Says which batch each record goes into, in the order they come.

    A record too large for any batch gets one of its own.

    Args:
        max_records: records a batch may have, at least 1.
        max_bytes: bytes its body may have, envelope and commas included.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._number = -1
        self._records = max_records
        self._bytes = 0

    def place(self, payload_bytes: int) -> int:
        """The number of the batch, from 0, that a record of so many JSON bytes goes into."""
        if self._records >= self._max_records or self._bytes + 1 + payload_bytes > self._max_bytes:
            self._number += 1
            self._records, self._bytes = 1, ENVELOPE_BYTES + payload_bytes
        else:
            self._records += 1
            self._bytes += 1 + payload_bytes
        return self._number


def create_intelligent_batches(
    data: Sequence[dict[str, Any]], config: BatchConfiguration
) -> list[list[dict[str, Any]]]:
    """Cut requests into batches: nothing lost, nothing reordered.

    Args:
        data: the requests.
        config: `calculate_optimal_batch_size` of all of them is the most records of a batch; `max_batch_bytes`, and
            the API's 500,000, the most bytes of its body as `ParallelBatchProcessor` sends it. Its strategy decides as
            for a job's first requests, for no answer is known: `memory_based` keeps to the budget, `time_based` begins
            with a quarter, `size_based` and `adaptive` fill every batch.

    Returns:
        The batches. A request too large for any has one of its own; one that is no JSON takes no bytes, for it is
        never sent.
    """
    most = RequestLimits(max(1, config.calculate_optimal_batch_size(len(data))), body_limit(config))
    limits = most.within_budget(config, config.parallel_workers)
    first = BatchLimit(limits.records, limits.bytes).times(first_share(config.strategy))
    cutter = BatchCutter(first.records, first.bytes)
    batches: list[list[dict[str, Any]]] = []
    for position, request in enumerate(data):
        number = cutter.place(prepare_request(request, position, "").payload_bytes or 0)
        if number == len(batches):
            batches.append([])
        batches[number].append(request)
    return batches
