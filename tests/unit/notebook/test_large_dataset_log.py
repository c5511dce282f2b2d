"""Tests that process_large_dataset_with_spark logs its start, its plan and its end.

The run itself is replaced here.
"""

from __future__ import annotations

from typing import Any

import pytest
from structlog.testing import capture_logs

from cio_spark import BatchConfiguration
from cio_spark.errors import ExitStatus
from cio_spark.model import Books, DeliveryCounts, DeliveryPlan, StateCounts, SyncResult
from cio_spark.notebook import large_dataset

PLAN = DeliveryPlan(
    records=100,
    batches=4,
    partitions=2,
    concurrent_tasks=2,
    lanes=1,
    seconds_between_requests=0.1,
    max_records=25,
    max_bytes=500_000,
    eta_seconds=3.04,
    limited_by="",
    parallel_workers=4,
)


class Frame:
    """Stands for a DataFrame of which only the names are asked."""

    columns = ("user_id", "event")
    sparkSession = None  # noqa: N815  as pyspark spells it

    def createOrReplaceTempView(self, name: str) -> None:  # noqa: N802  as pyspark spells it
        pass


@pytest.mark.parametrize(
    ("accepted", "status", "level"),
    [(100, ExitStatus.SUCCESS, "info"), (60, ExitStatus.ERROR_THRESHOLD_EXCEEDED, "error")],
)
def test_a_dataset_is_logged_with_its_plan_and_its_end(
    monkeypatch: pytest.MonkeyPatch, accepted: int, status: ExitStatus, level: str
) -> None:
    books = Books(StateCounts(source_rows=100), DeliveryCounts(accepted=accepted, failed=100 - accepted))

    def run(config: Any, *, progress: Any, **_: Any) -> SyncResult:
        progress.planned(config.sync.name, PLAN)
        return SyncResult("run", "orders", status, books, PLAN, "", 4.0, 3.0)

    class Session:
        catalog = type("Catalog", (), {"dropTempView": staticmethod(lambda _: None)})

    batch = {"batch_id": "b", "batch_size": 100, "successful_records": accepted, "avg_processing_time_ms": 1.0}
    monkeypatch.setattr(large_dataset, "run_sync", run)
    monkeypatch.setattr(large_dataset, "_batch_statistics", lambda *_, **__: [batch])
    monkeypatch.setattr(large_dataset, "_own_warehouse", lambda _: None)
    monkeypatch.setattr(Frame, "sparkSession", Session())
    payload = {"call": "track", "record_id": "id", "user_id": "user_id", "event": "event"}
    with capture_logs() as logs:
        large_dataset.process_large_dataset_with_spark(
            Frame(),  # type: ignore[arg-type]
            BatchConfiguration(parallel_workers=2),
            "orders",
            payload=payload,
            api_key="standin-key",
        )
    started, planned, finished = logs
    assert [entry["event"] for entry in logs] == ["dataset_started", "dataset_planned", "dataset_finished"]
    assert {entry["operation_type"] for entry in logs} == {"orders"}
    assert (started["workers"], planned["records"], planned["partitions"]) == (2, 100, 2)
    assert (planned["expected_batches"], planned["eta_seconds"]) == (4, 3.0)
    assert (finished["total_batches"], finished["partitions_used"], finished["total_records"]) == (1, 2, 100)
    assert (finished["throughput_rps"], finished["error_rate_percent"]) == (accepted / 4, 100.0 - accepted)
    assert (finished["run_id"], finished["exit_status"], finished["log_level"]) == ("run", int(status), level)
    assert "standin-key" not in str(logs)
