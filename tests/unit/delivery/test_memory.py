"""Tests that a worker process under `memory_based` stays within its budget, whatever the size of the records."""

from __future__ import annotations

import gc
import gzip
import tracemalloc
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from delivery_world import ScriptedClient, settings_for

from cio_spark.clock import FakeClock
from cio_spark.config import BatchConfiguration, BatchStrategy
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.partition import deliver_partition
from cio_spark.delivery.process_state import ProcessState
from cio_spark.delivery.records import PREPARED
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.planning.request_limits import RequestLimits

MEGABYTE = 1_000_000


class Compressing(ScriptedClient):
    """Keeps a compressed copy of each body while it answers, as the real client does."""

    def __init__(self) -> None:
        super().__init__()
        self.largest = 0
        self.peak = 0

    def post_batch(self, body: bytes, *_: object, **__: object) -> Answer:
        self.largest = max(self.largest, len(body))
        copy = gzip.compress(body, 1)
        self.peak = max(self.peak, pa.total_allocated_bytes() + tracemalloc.get_traced_memory()[0])
        return Answer(200, compressed_bytes=len(copy))


def chunk_of(record_bytes: int, rows: int) -> pa.RecordBatch:
    """Return a chunk of prepared records."""
    numbers = range(rows)
    values: dict[str, list[Any]] = {
        "lane": [number % 64 for number in numbers],
        "payload": [f'{{"messageId":"id-{number:08}","x":"{"x" * (record_bytes - 38)}"}},' for number in numbers],
        "payload_bytes": [record_bytes] * rows,
        "record_id": [f"r-{number:08}" for number in numbers],
        "person_key": [f"p-{number:08}" for number in numbers],
        "message_id": [f"id-{number:08}" for number in numbers],
        "payload_hash": list(numbers),
        "error_code": [None] * rows,
        "error_message": [None] * rows,
        "source_hash": list(numbers),
    }
    return pa.RecordBatch.from_pydict(values, PREPARED)


def copies(chunk: pa.RecordBatch, times: int) -> Iterator[pa.RecordBatch]:
    """Yield a chunk again and again, as Arrow hands chunks over.

    Each copy is made when it is asked for, and has memory of its own.
    """
    rows = pa.array(range(chunk.num_rows))
    for _ in range(times):
        yield chunk.take(rows)


def deliver(settings: DeliverySettings, chunk: pa.RecordBatch, times: int) -> tuple[Compressing, int]:
    client, clock = Compressing(), FakeClock()
    process = ProcessState(settings, clock, lambda: client)
    groups = deliver_partition(0, copies(chunk, times), settings, clock=clock, process=process)
    return client, sum(group.records.num_rows for group in groups)


@pytest.mark.parametrize("lanes", [1, 4])
@pytest.mark.parametrize("record_bytes", [100, 1000, 32_000])
def test_a_worker_process_stays_within_its_budget(record_bytes: int, lanes: int) -> None:
    batch = BatchConfiguration(
        strategy=BatchStrategy.MEMORY_BASED, memory_budget_mb=8, max_batch_size=10_000, parallel_workers=lanes
    )
    limits = RequestLimits(batch.max_batch_size, 500_000).within_budget(batch, lanes)
    settings = settings_for(
        lanes=lanes,
        max_records=limits.records,
        max_bytes=limits.bytes,
        rows_per_chunk=limits.rows_per_chunk,
        strategy=batch.strategy,
        compress=True,
    )
    chunk = chunk_of(record_bytes, settings.rows_per_chunk)
    times = 40 * MEGABYTE // (record_bytes * chunk.num_rows)
    deliver(settings, chunk, 10)  # so that modules imported on the way are not counted as memory of a batch
    gc.collect()
    tracemalloc.start()
    before = pa.total_allocated_bytes()
    try:
        client, delivered = deliver(settings, chunk, times)
    finally:
        tracemalloc.stop()
    assert delivered == times * chunk.num_rows
    assert client.peak - before <= 8 * MEGABYTE
    assert client.largest <= limits.bytes
