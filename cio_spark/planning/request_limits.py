"""Computes the limits of a request: the configured ones, but never above the limits of the API."""

from __future__ import annotations

from typing import NamedTuple

from cio_spark.config import BatchConfiguration, BatchStrategy
from cio_spark.config.api_limits import MAX_BODY_BYTES, MAX_ITEM_BYTES
from cio_spark.config.memory_budget import (
    BUFFERS_PER_LANE,
    BYTES_BESIDE_PAYLOAD,
    BYTES_PER_MB,
    CHUNKS_IN_MEMORY,
    CHUNKS_PER_BUDGET,
    PARTS_OF_BUFFER,
)
from cio_spark.model import GZIP, ROWS_PER_CHUNK

ENVELOPE_BYTES = len('{"batch":[]}')


class RequestLimits(NamedTuple):
    """Says how much a request may carry, and how many rows a task takes from Spark at a time.

    Attributes:
        records: largest number of records in a request, at least 1.
        bytes: largest number of bytes in a request body, before compression.
        rows_per_chunk: number of rows that a task takes at a time, at least 1.
    """

    records: int
    bytes: int
    rows_per_chunk: int = ROWS_PER_CHUNK

    def within_budget(self, batch: BatchConfiguration, lanes: int) -> RequestLimits:
        """Return limits that keep a worker process within `memory_budget_mb`, if the strategy is memory_based.

        A lane has several batches of one size in memory at the same time, with the ids of their records; the chunk from
        which they are cut is in memory too.

        Args:
            batch: the batch configuration.
            lanes: requests in flight in one process.

        Returns:
            These limits unchanged for every other strategy.
        """
        if batch.strategy is not BatchStrategy.MEMORY_BASED:
            return self
        budget = batch.memory_budget_mb * BYTES_PER_MB
        chunk = budget // CHUNKS_PER_BUDGET
        part = (budget - CHUNKS_IN_MEMORY * chunk) // (BUFFERS_PER_LANE * lanes) // PARTS_OF_BUFFER
        return RequestLimits(
            max(1, min(self.records, part // BYTES_BESIDE_PAYLOAD)),
            min(self.bytes, max(MAX_ITEM_BYTES, part)),
            max(1, min(self.rows_per_chunk, chunk // (MAX_ITEM_BYTES + BYTES_BESIDE_PAYLOAD))),
        )


def describe_sizing(batch: BatchConfiguration) -> str:
    """Describe what decides the size of a request, as a text for people.

    Args:
        batch: the batch configuration.
    """
    return {
        BatchStrategy.SIZE_BASED: "size_based: every request is filled",
        BatchStrategy.TIME_BASED: "time_based: a quarter of the limits at first, then what takes about "
        f"{batch.target_request_seconds:g} s",
        BatchStrategy.MEMORY_BASED: f"memory_based: what {batch.memory_budget_mb} MB for each worker process allow",
        BatchStrategy.ADAPTIVE: "adaptive: full at first, half after 413, 429, time-outs and 5xx, then growing again",
    }[batch.strategy]


def body_limit(batch: BatchConfiguration) -> int:
    """Return the bytes that a request body may have, before compression."""
    return min(batch.max_batch_bytes, MAX_BODY_BYTES)


def records_limit(batch: BatchConfiguration, records: int, *, one_item_per_request: bool) -> int:
    """Return the records that a request may carry: the balanced batch size, so that a small sync uses every worker.

    Args:
        batch: the batch configuration.
        records: number of records to send.
        one_item_per_request: True if a request must carry a single record.
    """
    return 1 if one_item_per_request else batch.balanced_batch_size(records)


def requests_needed(records: int, payload_bytes: int, max_records: int, max_bytes: int) -> int:
    """Return the number of requests for some records: by their count or by their bytes, whichever needs more.

    Args:
        records: number of records.
        payload_bytes: JSON bytes of all these records.
        max_records: largest number of records in a request.
        max_bytes: largest number of bytes in a request body.
    """
    if records == 0:
        return 0
    by_count = -(-records // max_records)
    by_bytes = -(-(payload_bytes + records) // (max_bytes - ENVELOPE_BYTES))
    return max(by_count, by_bytes, 1)


def compression_of(batch: BatchConfiguration, *, strict_mode: bool) -> str:
    """Say how request bodies are compressed, or why they are not.

    Args:
        batch: the batch configuration.
        strict_mode: `api.strict_mode`; without it bodies are sent uncompressed, as `delivery.compression` explains.
    """
    if not batch.enable_compression:
        return "none"
    return GZIP if strict_mode else "none: batch.enable_compression works with api.strict_mode only"
