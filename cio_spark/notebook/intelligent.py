"""Cuts a list of requests into batches within the limits; sizes are those of the body that is really sent."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cio_spark.config import BatchConfiguration
from cio_spark.delivery.batching import ENVELOPE_BYTES, BatchLimit
from cio_spark.delivery.sizing import first_share
from cio_spark.notebook.request import prepare_request
from cio_spark.planning.request_limits import RequestLimits, body_limit


class BatchCutter:
    """Assigns records to batches, in the order in which the records come.

    A record that is too large for any batch gets a batch of its own.

    Args:
        max_records: most records of a batch, at least 1.
        max_bytes: most bytes of a batch's body, envelope and commas included.
    """

    def __init__(self, max_records: int, max_bytes: int) -> None:
        self._max_records = max_records
        self._max_bytes = max_bytes
        self._number = -1
        self._records = max_records
        self._bytes = 0

    def place(self, payload_bytes: int) -> int:
        """Return the number of the batch, counted from 0, for the next record.

        Args:
            payload_bytes: size of the record's JSON, in bytes.
        """
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
    """Cut requests into batches; every request is in exactly one batch, and their order stays.

    Args:
        data: the requests.
        config: sets the limits. A batch has at most as many records as `calculate_optimal_batch_size` returns for all
            requests. Its body, as `ParallelBatchProcessor` sends it, has at most `max_batch_bytes`, and never more
            than the API's 500,000 bytes. The strategy changes these limits as for a job's first requests, because no
            answer is known yet: `memory_based` keeps to the budget, `time_based` begins with a quarter of the limits,
            `size_based` and `adaptive` fill every batch.

    Returns:
        The batches. A request that is too large for any batch has a batch of its own; a request that is not JSON
        counts as 0 bytes, because it is never sent.
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
