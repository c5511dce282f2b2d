"""Says how the memory budget of `batch.strategy: memory_based` is divided; each number once (docs/decisions/0021)."""

from __future__ import annotations

from cio_spark.config.api_limits import MAX_ITEM_BYTES

BYTES_PER_MB = 1_000_000
BUFFERS_PER_LANE = 6
"""Largest number of buffers of one batch's size that a lane has in memory.

They are two waiting batches, one that is being filled, one that is being sent, its body, and the copy of that body.
"""
PARTS_OF_BUFFER = 2
"""One half of a buffer is for payloads, the other for the data beside them: few large records fit, and many small."""
BYTES_BESIDE_PAYLOAD = 400
"""Bytes that a record needs in memory beside its payload (ids, hash, lane); a generous estimate."""
CHUNKS_PER_BUDGET = 12
"""Divisor of the budget: under memory_based a chunk of rows takes at most one twelfth of it."""
CHUNKS_IN_MEMORY = 4
"""Largest number of chunks in memory at the same time.

A chunk is in memory together with what was cut from it for the lanes, while batches of the previous chunk still wait.
"""
LEAST_BYTES_PER_LANE = (
    PARTS_OF_BUFFER * BUFFERS_PER_LANE * MAX_ITEM_BYTES * CHUNKS_PER_BUDGET // (CHUNKS_PER_BUDGET - CHUNKS_IN_MEMORY)
)
"""Bytes of the memory budget that a lane needs to send requests of one record of the largest size."""
