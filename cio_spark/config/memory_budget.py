"""Says how the memory budget of `batch.strategy: memory_based` is divided; each number once (docs/decisions/0021)."""

from __future__ import annotations

from cio_spark.config.api_limits import MAX_ITEM_BYTES

BYTES_PER_MB = 1_000_000
REQUEST_BUFFERS = 6
"""Batches of one size that a lane holds at most: two waiting, one being filled, one being sent, its body, its copy."""
PARTS_OF_BUFFER = 2
"""A half of each buffer is for payloads, a half for what stands beside them: few large records, or many small ones."""
BYTES_BESIDE_PAYLOAD = 400
"""Memory that a record takes beside its payload, generously: ids, hash, lane."""
SHARE_OF_CHUNK = 12
"""Under memory_based a chunk of rows takes at most this part of the budget."""
CHUNKS_IN_MEMORY = 4
"""A chunk and what was cut from it for the lanes, while batches cut from the one before still wait."""
LEAST_BYTES_PER_LANE = (
    PARTS_OF_BUFFER * REQUEST_BUFFERS * MAX_ITEM_BYTES * SHARE_OF_CHUNK // (SHARE_OF_CHUNK - CHUNKS_IN_MEMORY)
)
"""Budget that a lane needs for requests of one record of the largest size."""
