"""Tests that BatchMetrics and BatchJob keep the notebook's fields, methods and results."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from pydantic import ValidationError

from cio_spark import BatchConfiguration, BatchJob, BatchMetrics, BatchStatus, ProcessingPriority
from cio_spark.clock import FakeClock

AGGREGATES = {
    "total_successful_records",
    "total_failed_records",
    "total_processing_time_seconds",
    "average_throughput_rps",
    "overall_error_rate_percent",
    "total_batches",
    "successful_batches",
    "failed_batches",
}


def job(**fields: Any) -> BatchJob:
    return BatchJob(
        **{
            "job_name": "Large Scale Event Processing",
            "job_type": "event_tracking",
            "configuration": BatchConfiguration(),
            "total_records": 1000,
            **fields,
        }
    )


def test_the_notebooks_metrics_are_valid() -> None:
    now = datetime.now(timezone.utc)
    metrics = BatchMetrics(
        batch_id="b",
        total_records=1000,
        successful_records=985,
        failed_records=15,
        processing_time_seconds=12.5,
        throughput_rps=80.0,
        error_rate_percent=1.5,
        retry_count=2,
        started_at=now,
        completed_at=now,
    )
    metrics.calculate_derived_metrics()
    assert metrics.error_rate_percent == pytest.approx(1.5)
    assert metrics.throughput_rps == pytest.approx(985 / 12.5)
    assert metrics.is_healthy()
    assert metrics.is_healthy(1.5)
    assert not metrics.is_healthy(1.4)


def test_the_notebooks_problematic_metrics_are_unhealthy() -> None:
    metrics = BatchMetrics(
        batch_id="test_alert_batch",
        total_records=100,
        successful_records=80,
        failed_records=20,
        processing_time_seconds=75.0,
        throughput_rps=5.0,
    )
    metrics.calculate_derived_metrics()
    assert metrics.error_rate_percent == 20.0
    assert metrics.throughput_rps == pytest.approx(80 / 75)
    assert not metrics.is_healthy()


def test_metrics_begin_pending_with_an_id_of_their_own() -> None:
    one, other = BatchMetrics(total_records=0), BatchMetrics(total_records=0)
    assert one.batch_id != other.batch_id
    assert (one.status, one.priority) == (BatchStatus.PENDING, ProcessingPriority.NORMAL)
    assert str(one.status) == one.status == "pending"
    one.calculate_derived_metrics()
    assert (one.error_rate_percent, one.throughput_rps) == (0.0, 0.0)


@pytest.mark.parametrize("field", ["successful_records", "failed_records"])
def test_no_count_may_exceed_the_total_at_the_start_or_later(field: str) -> None:
    with pytest.raises(ValidationError, match="Record count 11 cannot exceed total 10"):
        BatchMetrics(total_records=10, **{field: 11})
    metrics = BatchMetrics(total_records=10)
    with pytest.raises(ValidationError, match="Record count 11 cannot exceed total 10"):
        setattr(metrics, field, 11)


@pytest.mark.parametrize(
    "wrong",
    [{"total_records": -1}, {"error_rate_percent": 101}, {"cpu_usage_percent": 101}, {"memory_usage_mb": -1}],
)
def test_values_outside_the_notebooks_bounds_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BatchMetrics(**{"total_records": 1, **wrong})


def test_progress_is_the_accepted_share_and_complete_without_records() -> None:
    assert job(processed_records=250).get_progress_percent() == 25.0
    assert job(total_records=0).get_progress_percent() == 100.0


def test_the_remaining_time_goes_on_at_the_speed_so_far() -> None:
    clock = FakeClock()
    started = clock.now()
    clock.sleep(10.0)
    assert job(started_at=started, processed_records=250).get_estimated_remaining_time(clock) == timedelta(seconds=30)
    assert job(started_at=started, processed_records=1000).get_estimated_remaining_time(clock) == timedelta(0)
    assert job(started_at=started).get_estimated_remaining_time(clock) is None
    assert job(processed_records=250).get_estimated_remaining_time(clock) is None
    just_now = job(started_at=clock.now(), processed_records=1)
    assert just_now.get_estimated_remaining_time(clock) == timedelta(0)


def test_aggregates_add_up_all_batches() -> None:
    batches = [
        BatchMetrics(
            total_records=600, successful_records=600, processing_time_seconds=2.0, throughput_rps=300.0,
            status=BatchStatus.COMPLETED,
        ),
        BatchMetrics(
            total_records=400, failed_records=400, processing_time_seconds=1.0, status=BatchStatus.FAILED
        ),
    ]  # fmt: skip
    assert job(batch_metrics=batches).get_aggregate_metrics() == {
        "total_successful_records": 600,
        "total_failed_records": 400,
        "total_processing_time_seconds": 3.0,
        "average_throughput_rps": 300.0,
        "overall_error_rate_percent": 40.0,
        "total_batches": 2,
        "successful_batches": 1,
        "failed_batches": 1,
    }


def test_aggregates_of_a_job_whose_batches_all_failed_do_not_crash() -> None:
    failed = BatchMetrics(total_records=1000, failed_records=1000, status=BatchStatus.FAILED)
    metrics = job(batch_metrics=[failed]).get_aggregate_metrics()
    assert (metrics["average_throughput_rps"], metrics["overall_error_rate_percent"]) == (0.0, 100.0)


def test_a_finished_job_without_records_has_zeros_and_one_that_never_ran_has_nothing() -> None:
    assert job(total_records=0).get_aggregate_metrics() == {}
    done = job(total_records=0, completed_at=datetime.now(timezone.utc))
    assert done.get_aggregate_metrics() == dict.fromkeys(AGGREGATES, 0)


@pytest.mark.parametrize(("total", "size"), [(10_000, 1000), (1500, 375), (100, 25)])
def test_the_notebooks_documented_batch_sizes_hold_for_the_repartition(total: int, size: int) -> None:
    config = BatchConfiguration(max_batch_size=1000, parallel_workers=4)
    assert config.balanced_batch_size(total) == size
