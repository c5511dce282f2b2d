"""The effective limits of a request: what is configured, never above what the API takes."""

from __future__ import annotations

from cio_spark.config import BatchConfiguration
from cio_spark.config.api_limits import MAX_BODY_BYTES
from cio_spark.model import GZIP

ENVELOPE_BYTES = len('{"batch":[]}')


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
