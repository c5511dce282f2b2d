"""Tests that a run tells how many records are done while its tasks run, from the metrics of a real Spark session."""

from __future__ import annotations

import pytest
from heard_progress import Heard
from sync_bench import KEY, Bench, order_rows

from cio_spark.config import ApiKey
from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult
from cio_spark.pipeline import run_sync
from cio_spark.spark.returned_rows import ReturnedRows
from cio_spark.standin import Fault

pytestmark = pytest.mark.classic("Spark Connect tells neither slots nor metrics")

ROWS = 4_000


def run(bench: Bench, heard: Heard, engine: str) -> SyncResult:
    config = bench.config(
        batch={"enable_monitoring": True, "max_batch_size": 100, "parallel_workers": 4}, delivery={"engine": engine}
    )
    return run_sync(config, spark=bench.spark, api_key=ApiKey(KEY), warehouse=bench.warehouse, progress=heard)


@pytest.mark.parametrize("engine", ["arrow", pytest.param("rdd", marks=pytest.mark.slow)])
def test_records_are_counted_while_all_tasks_of_a_wave_run(orders: Bench, engine: str) -> None:
    orders.write_sql(order_rows(ROWS, customers=400))
    orders.api.script(Fault(latency_seconds=0.6))
    heard = Heard()
    result = run(orders, heard, engine)
    assert result.books.delivery.accepted == ROWS
    assert heard.plans[0].partitions <= orders.spark.sparkContext.defaultParallelism
    before_any_task_ended = {one.records_done for one in heard.told if not one.tasks_done}
    assert len({done for done in before_any_task_ended if 0 < done < ROWS}) >= 3
    counted = [one.records_done for one in heard.told]
    assert counted == sorted(counted)
    assert {one.records for one in heard.told} == {ROWS}
    assert any(one.records_per_second and one.seconds_left for one in heard.told)
    assert {one.limited_by for one in heard.told} == {heard.plans[0].limited_by}


def test_a_run_goes_on_if_the_metrics_cannot_be_read(orders: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: ReturnedRows) -> int:
        raise RuntimeError("closed to us")

    monkeypatch.setattr(ReturnedRows, "_read", fail)
    orders.write_sql(order_rows(20))
    orders.api.script(Fault(latency_seconds=1.5))
    heard = Heard()
    result = run(orders, heard, "arrow")
    assert result.exit_status is ExitStatus.SUCCESS
    assert result.books.delivery.accepted == 20
    assert heard.told
    assert all(one.records_done == 20 * one.tasks_done // one.tasks for one in heard.told)
