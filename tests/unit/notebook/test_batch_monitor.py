"""Tests that BatchMonitor keeps the notebook's methods, keys and results, without its bugs."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from cio_spark import BatchConfiguration, BatchJob, BatchMetrics, BatchMonitor
from cio_spark.clock import FakeClock

CONFIG = BatchConfiguration(max_batch_size=100, parallel_workers=3, rate_limit_rps=50, error_threshold_percent=2.0)
NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


def batch(**fields: float) -> BatchMetrics:
    metrics = BatchMetrics(
        **{"total_records": 100, "successful_records": 100, "processing_time_seconds": 0.1, **fields}
    )
    metrics.calculate_derived_metrics()
    return metrics


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def monitor(clock: FakeClock) -> BatchMonitor:
    return BatchMonitor(CONFIG, clock=clock)


@pytest.fixture
def job() -> BatchJob:
    return BatchJob(job_id="j", job_name="n", job_type="t", configuration=CONFIG, total_records=1500)


def test_the_notebooks_run_is_healthy_and_its_problematic_batch_critical(
    monitor: BatchMonitor, job: BatchJob, clock: FakeClock
) -> None:
    assert monitor.get_real_time_dashboard() == {"status": "no_data"}
    for _ in range(15):
        monitor.record_metrics(job, batch())
    dashboard = monitor.get_real_time_dashboard()
    assert dashboard == {
        "status": "healthy",
        "timestamp": "2026-01-31T12:00:00+00:00",
        "active_jobs": 1,
        "total_batches_5min": 15,
        "total_throughput_rps": pytest.approx(15_000.0),
        "avg_error_rate_percent": 0.0,
        "avg_processing_time_seconds": pytest.approx(0.1),
        "recent_alerts": {"critical": 0, "warning": 0, "total": 0},
        "latest_alerts": [],
    }
    clock.sleep(80.0)
    ill = batch(successful_records=80, failed_records=20, processing_time_seconds=75.0)
    monitor.record_metrics(job, ill)
    dashboard = monitor.get_real_time_dashboard()
    assert dashboard["status"] == "critical"
    assert dashboard["recent_alerts"] == {"critical": 1, "warning": 2, "total": 3}
    assert [(alert["type"], alert["message"]) for alert in dashboard["latest_alerts"]] == [
        ("high_error_rate", "Error rate 20.0% exceeds threshold"),
        ("slow_processing", "Batch took 75.0s to process"),
        ("low_throughput", "Throughput 0.2 requests/s below expected minimum"),
    ]
    assert set(dashboard["latest_alerts"][0]) == {"type", "severity", "message", "job_id", "batch_id", "timestamp"}
    clock.sleep(300.0)
    assert monitor.get_real_time_dashboard() == {"status": "no_recent_data"}


def test_when_every_batch_failed_there_are_figures_all_the_same(monitor: BatchMonitor, job: BatchJob) -> None:
    monitor.record_metrics(job, batch(successful_records=0, failed_records=100, processing_time_seconds=0.0))
    dashboard = monitor.get_real_time_dashboard()
    assert (dashboard["status"], dashboard["avg_processing_time_seconds"]) == ("critical", 0.0)


def test_between_the_threshold_and_twice_of_it_the_status_is_degraded(monitor: BatchMonitor, job: BatchJob) -> None:
    monitor.record_metrics(job, batch(successful_records=97, failed_records=3))
    assert monitor.get_real_time_dashboard()["status"] == "degraded"


def test_throughput_is_that_of_all_lanes_and_raised_when_it_begins(
    monitor: BatchMonitor, job: BatchJob, clock: FakeClock
) -> None:
    """Check three lanes with batches of 1 s: they make 3 requests/s, which is below 15.

    40 lanes are above it.
    """

    def record(lanes: int, seconds: int) -> None:
        for _ in range(seconds):
            clock.sleep(1.0)
            for _ in range(lanes):
                now = clock.now()
                times = {"started_at": now - timedelta(seconds=1), "completed_at": now}
                monitor.record_metrics(job, batch(processing_time_seconds=1.0).model_copy(update=times))

    record(lanes=3, seconds=30)
    assert [alert["type"] for alert in monitor.alerts] == ["low_throughput"]
    record(lanes=40, seconds=30)
    record(lanes=3, seconds=1)
    clock.sleep(400.0)
    record(lanes=3, seconds=20)
    assert [alert["type"] for alert in monitor.alerts] == ["low_throughput", "low_throughput"]


def test_trends_are_means_by_hour(monitor: BatchMonitor, job: BatchJob, clock: FakeClock) -> None:
    assert monitor.get_performance_trends() == {"status": "no_data"}
    monitor.record_metrics(job, batch())
    monitor.record_metrics(job, batch(successful_records=90, failed_records=10, processing_time_seconds=0.3))
    clock.sleep(3600.0)
    monitor.record_metrics(job, batch(successful_records=0, failed_records=100))
    trends = monitor.get_performance_trends(hours=2)
    assert (trends["period_hours"], trends["data_points"]) == (2, 2)
    assert trends["trends"][0] == {
        "hour": "2026-01-31T12:00:00+00:00",
        "total_batches": 2,
        "avg_throughput_rps": pytest.approx((1000 + 300) / 2),
        "avg_error_rate_percent": 5.0,
        "avg_processing_time_seconds": pytest.approx(0.2),
    }
    assert trends["trends"][1]["avg_throughput_rps"] == 0.0
    assert monitor.get_performance_trends(hours=1)["data_points"] == 1


def test_the_memory_of_a_monitor_is_bounded(monitor: BatchMonitor, job: BatchJob) -> None:
    for _ in range(1100):
        monitor.record_metrics(job, batch(successful_records=0, failed_records=100))
    assert (len(monitor.metrics_history), len(monitor.alerts)) == (1000, 100)
