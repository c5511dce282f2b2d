"""The effective limits of a request: what is configured, never above what the API takes."""

from __future__ import annotations

from typing import NamedTuple

from cio_spark.config import BatchConfiguration, BatchStrategy
from cio_spark.config.api_limits import MAX_BODY_BYTES, MAX_ITEM_BYTES
from cio_spark.config.memory_budget import (
    BYTES_BESIDE_PAYLOAD,
    BYTES_PER_MB,
    CHUNKS_IN_MEMORY,
    PARTS_OF_BUFFER,
    REQUEST_BUFFERS,
    SHARE_OF_CHUNK,
)
from cio_spark.model import GZIP, ROWS_PER_CHUNK

ENVELOPE_BYTES = len('{"batch":[]}')


class RequestLimits(NamedTuple):
    """Says how much a request may carry at most, and how many rows a task takes from Spark at a time.

    Attributes:
        records: at least 1.
        bytes: of a body, before compression.
        rows_per_chunk: at least 1.
    """

    records: int
    bytes: int
    rows_per_chunk: int = ROWS_PER_CHUNK

    def within_budget(self, batch: BatchConfiguration, lanes: int) -> RequestLimits:
        """The limits that also keep a worker process within `memory_budget_mb`, if the strategy is memory_based.

        A lane holds several batches of one size at a time, and their records' ids; the chunk they are cut from is in
        memory too.

        Args:
            batch: the batch configuration.
            lanes: requests in flight in one process.
        """
        if batch.strategy is not BatchStrategy.MEMORY_BASED:
            return self
        budget = batch.memory_budget_mb * BYTES_PER_MB
        chunk = budget // SHARE_OF_CHUNK
        part = (budget - CHUNKS_IN_MEMORY * chunk) // (REQUEST_BUFFERS * lanes) // PARTS_OF_BUFFER
        return RequestLimits(
            max(1, min(self.records, part // BYTES_BESIDE_PAYLOAD)),
            min(self.bytes, max(MAX_ITEM_BYTES, part)),
            max(1, min(self.rows_per_chunk, chunk // (MAX_ITEM_BYTES + BYTES_BESIDE_PAYLOAD))),
        )


def describe_sizing(batch: BatchConfiguration) -> str:
    """Say what the size of a request follows, and what to expect of it.

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
    """Bytes a request body may have, before compression."""
    return min(batch.max_batch_bytes, MAX_BODY_BYTES)


def records_limit(batch: BatchConfiguration, records: int, *, one_item_per_request: bool) -> int:
    """Records a request may carry: the balanced batch size, so that a small sync still uses every worker."""
    return 1 if one_item_per_request else batch.balanced_batch_size(records)


def requests_needed(records: int, payload_bytes: int, max_records: int, max_bytes: int) -> int:
    """Requests for so many records of so many JSON bytes in all, by count and by size, whichever needs more."""
    if records == 0:
        return 0
    by_count = -(-records // max_records)
    by_bytes = -(-(payload_bytes + records) // (max_bytes - ENVELOPE_BYTES))
    return max(by_count, by_bytes, 1)


def compression_of(batch: BatchConfiguration, *, strict_mode: bool) -> str:
    """Say what becomes of request bodies, and why.

    Args:
        batch: the batch configuration.
        strict_mode: `api.strict_mode`; without it bodies go plain, see `delivery.compression`.
    """
    if not batch.enable_compression:
        return "none"
    return GZIP if strict_mode else "none: batch.enable_compression works with api.strict_mode only"
