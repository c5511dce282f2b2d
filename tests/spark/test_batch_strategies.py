"""Tests that `batch.strategy` decides the size of requests, and does not change what is delivered.

`batch_operations` shows the size of each request.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sync_bench import KEY, ORDERS, Bench, order_rows

from cio_spark.errors import ExitStatus
from cio_spark.standin import Fault, StandIn

RECORDS = 4000
SIZES = {"max_batch_size": 1000, "parallel_workers": 2}


@pytest.fixture
def orders(spark: SparkSession, warehouse: Path, request: pytest.FixtureRequest) -> Iterator[Bench]:
    with StandIn(api_key=KEY) as api:
        bench = Bench(spark, warehouse, api, f"strategies_{abs(hash(request.node.name))}", ORDERS)
        bench.write_sql(order_rows(RECORDS, customers=400))
        yield bench


def batches(orders: Bench, **batch: Any) -> tuple[list[int], list[tuple[int, int]], set[str]]:
    """Run a sync, and return the records of each batch in order of sending, the limits in force, and the strategies."""
    result = orders.run(batch={**SIZES, **batch})
    assert (result.exit_status, result.books.delivery.accepted) == (ExitStatus.SUCCESS, RECORDS)
    assert set(orders.api.received.duplicates().values()) <= {0}
    rows = (
        orders.tables.read("batch_operations")
        .where(F.col("job_id") == result.run_id)
        .orderBy("started_at", "batch_id")
        .collect()
    )
    limits = [(int(row["metadata"]["limit_records"]), int(row["metadata"]["limit_bytes"])) for row in rows]
    records = [row["total_records"] for row in rows]
    assert all(found <= most for found, (most, _) in zip(records, limits, strict=True))
    return records, limits, {row["metadata"]["strategy"] for row in rows}


def test_size_based_fills_every_request_whatever_the_api_answers(orders: Bench) -> None:
    orders.api.script(Fault(status=429, retry_after="0", times=2))
    records, limits, strategies = batches(orders, strategy="size_based")
    assert strategies == {"size_based"}
    assert set(limits) == {(1000, 500_000)}
    # Persons are spread unevenly, so the last request of a partition carries what is left
    assert sorted(records)[-2:] == [1000, 1000]


def test_adaptive_sends_less_at_a_time_after_the_api_has_complained(orders: Bench) -> None:
    orders.api.script(Fault(status=429, retry_after="0", times=2))
    records, limits, strategies = batches(orders, strategy="adaptive")
    assert strategies == {"adaptive"}
    assert limits[0] == (1000, 500_000)
    assert limits[-1][0] < limits[0][0]
    assert records[0] == 1000


def test_adaptive_fills_every_request_while_nothing_is_wrong(orders: Bench) -> None:
    _, limits, _ = batches(orders)
    assert set(limits) == {(1000, 500_000)}


def test_time_based_begins_small_and_follows_the_time_that_requests_take(orders: Bench) -> None:
    _, limits, strategies = batches(orders, strategy="time_based", target_request_seconds=4.0)
    assert strategies == {"time_based"}
    assert limits[0] == (250, 125_000)
    assert max(limits) == (1000, 500_000)


def test_memory_based_sends_what_the_budget_allows(orders: Bench) -> None:
    records, limits, strategies = batches(orders, strategy="memory_based", memory_budget_mb=2)
    assert strategies == {"memory_based"}
    assert set(limits) == {(277, 111_111)}
    assert max(records) <= 277
