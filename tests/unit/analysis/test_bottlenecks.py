"""Tests that each bottleneck has a figure, a severity and a recommendation.

The result keys of the notebook are kept.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cio_spark import BatchConfiguration, BatchJob, BatchMetrics, BatchPerformanceAnalyzer
from cio_spark.analysis import Bottleneck, Measured, find_bottlenecks
from cio_spark.notebook.measured_job import covered_seconds, measure_job

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
CONFIG = BatchConfiguration(parallel_workers=4, rate_limit_rps=20, max_batch_size=100)
WELL = Measured(
    batch_count=200,
    total_records=20_000,
    accepted_records=20_000,
    avg_processing_time_seconds=0.4,
    std_processing_time_seconds=0.1,
    busy_seconds=12.0,
    requests=200,
    requests_per_second=16.7,
    request_seconds=40.0,
    request_time_mean_seconds=0.2,
    records_per_batch=100.0,
    bytes_per_batch=30_000.0,
    partitions=4,
    partition_skew=1.1,
)


def found(**figures: Any) -> dict[str, Bottleneck]:
    return {item.type: item for item in find_bottlenecks(replace(WELL, **figures), CONFIG)}


def test_a_run_that_is_well_has_none() -> None:
    assert found() == {}


@pytest.mark.parametrize(
    ("figures", "kind", "severity", "metric", "suggestion"),
    [
        (
            {"std_processing_time_seconds": 0.21},
            "high_variance",
            "medium",
            "Std dev: 0.21s, Avg: 0.40s",
            "size_based",
        ),
        ({"avg_processing_time_seconds": 10.5}, "slow_processing", "high", "Avg time: 10.50s", "max_batch_size to 50"),
        (
            {"avg_processing_time_seconds": 10.5, "throttled_percent": 55.0},
            "slow_processing",
            "high",
            "Avg time: 10.50s",
            "most of it is waiting",
        ),
        (
            {"std_processing_time_seconds": 0.21, "retry_percent": 3.0},
            "high_variance",
            "medium",
            "Std dev: 0.21s, Avg: 0.40s",
            "3 % of the tries were retries",
        ),
        (
            {"requests_per_second": 9.9, "request_time_mean_seconds": 0.5},
            "low_throughput",
            "medium",
            "Throughput: 9.9 requests/s, Limit: 20 requests/s",
            "parallel_workers from 4 to 10",
        ),
        (
            {"requests_per_second": 9.9},
            "low_throughput",
            "medium",
            "Throughput: 9.9 requests/s, Limit: 20 requests/s",
            "more task slots",
        ),
        (
            {"error_rate_percent": 5.01},
            "high_errors",
            "high",
            "Error rate: 5.01%, Threshold: 5.0%",
            "error_categories",
        ),
        (
            {"throttled_percent": 60.0, "throttled_seconds": 60.0},
            "rate_limited",
            "low",
            "Waiting: 60 s, 60 % of the lanes' time, Limit: 20 requests/s",
            "raise rate_limit_rps",
        ),
        (
            {"rate_limited_batches": 3},
            "rate_limited",
            "high",
            "Batches given up after a 429: 3 of 200",
            "rate_limit_rps from 20 to 16",
        ),
        (
            {"partition_skew": 2.5},
            "skewed_partitions",
            "medium",
            "Busiest partition: 2.5 × the mean of 4 partitions",
            "source.where",
        ),
        (
            {"records_per_batch": 49.0},
            "small_batches",
            "low",
            "Mean: 49 of 100 records, 30,000 of 500,000 bytes",
            "lower parallel_workers",
        ),
        (
            {"limit_records_mean": 60.0, "limit_records_most": 100},
            "shrunken_batches",
            "medium",
            "Mean limit: 60 of 100 records a request",
            "max_batch_size to about 60",
        ),
        (
            {"retry_percent": 12.0, "retries": 27, "retry_seconds": 4.8},
            "many_retries",
            "medium",
            "Retries: 27 (12 % of tries), about 5 s",
            "parallel_workers from 4 to 2",
        ),
    ],
)
def test_what_holds_a_run_back_is_named_with_its_figure_and_what_to_do(
    figures: dict[str, Any], kind: str, severity: str, metric: str, suggestion: str
) -> None:
    item = found(**figures)[kind]
    assert (item.severity, item.metric) == (severity, metric)
    assert suggestion in item.suggestion


def test_too_little_work_says_nothing_about_speed() -> None:
    assert found(requests_per_second=0.5, busy_seconds=2.9) == {}


def test_more_workers_than_there_can_be_are_not_suggested() -> None:
    config = BatchConfiguration(parallel_workers=20, rate_limit_rps=100, max_batch_size=100)
    (item,) = find_bottlenecks(replace(WELL, request_time_mean_seconds=1.0, requests_per_second=20.0), config)
    assert "max_batch_size" in item.suggestion


def test_calls_that_go_one_by_one_are_no_small_batches() -> None:
    assert found(records_per_batch=1.0, bytes_per_batch=300.0) == {}


def test_full_bodies_are_no_small_batches() -> None:
    assert "small_batches" not in found(records_per_batch=10.0, bytes_per_batch=400_000.0)


def test_suppressions_take_no_errors() -> None:
    items = find_bottlenecks(replace(WELL, error_rate_percent=0.1), CONFIG, error_threshold_percent=0.0)
    assert [item.type for item in items] == ["high_errors"]


def test_work_is_covered_once_however_many_lanes_there_are() -> None:
    def at(second: float) -> datetime:
        return NOON + timedelta(seconds=second)

    assert covered_seconds([]) == 0.0
    assert covered_seconds([(at(0), at(2)), (at(1), at(4)), (at(10), at(12))]) == 6.0
    assert covered_seconds([(at(5), at(4)), (at(0), at(1))]) == 1.0
    assert covered_seconds([(at(0), at(10)), (at(2), at(3)), (at(4), at(11))]) == 11.0


def job(*batches: BatchMetrics) -> BatchJob:
    config = BatchConfiguration(max_batch_size=100, parallel_workers=3, rate_limit_rps=50, error_threshold_percent=2.0)
    made = BatchJob(
        job_name="j", job_type="t", configuration=config, total_records=sum(b.total_records for b in batches)
    )
    made.batch_metrics = list(batches)
    made.processed_records = sum(batch.successful_records for batch in batches)
    made.started_at, made.completed_at = NOON, NOON + timedelta(seconds=0.5)
    return made


def notebook_batches() -> list[BatchMetrics]:
    """Return the batches of the notebook's 1,500 events: 15 batches of 100, 0.1 s each, three at a time."""
    batches = []
    for number in range(15):
        start = NOON + timedelta(seconds=0.1 * (number // 3))
        metrics = BatchMetrics(
            total_records=100,
            successful_records=100,
            processing_time_seconds=0.1,
            started_at=start,
            completed_at=start + timedelta(seconds=0.1),
        )
        metrics.calculate_derived_metrics()
        batches.append(metrics)
    return batches


def test_the_notebooks_job_has_the_notebooks_results() -> None:
    analysis = BatchPerformanceAnalyzer().analyze_job_performance(job(*notebook_batches()))
    summary = analysis["job_summary"]
    assert list(summary) == ["job_id", "total_time_seconds", "total_batches", "total_records", "records_processed"]
    assert (summary["total_time_seconds"], summary["total_batches"], summary["records_processed"]) == (0.5, 15, 1500)
    assert analysis["performance_stats"] == {
        "avg_processing_time": pytest.approx(0.1),
        "min_processing_time": pytest.approx(0.1),
        "max_processing_time": pytest.approx(0.1),
        "std_processing_time": pytest.approx(0.0),
        "avg_throughput_rps": pytest.approx(1000.0),
        "max_throughput_rps": pytest.approx(1000.0),
        "avg_error_rate": 0.0,
    }
    assert (analysis["bottlenecks"], analysis["recommendations"]) == ([], [])


def test_a_job_without_batches_says_so() -> None:
    assert BatchPerformanceAnalyzer().analyze_job_performance(job()) == {
        "error": "No batch metrics available for analysis"
    }


def test_one_batch_that_failed_has_figures() -> None:
    failed = BatchMetrics(total_records=10, failed_records=10, error_rate_percent=100.0)
    analysis = BatchPerformanceAnalyzer().analyze_job_performance(job(failed))
    assert analysis["performance_stats"]["avg_throughput_rps"] == 0.0
    assert [item["type"] for item in analysis["bottlenecks"]] == ["high_errors"]
    assert analysis["bottlenecks"][0]["metric"] == "Error rate: 100.00%, Threshold: 2.0%"
    assert set(analysis["bottlenecks"][0]) == {"type", "description", "severity", "metric"}
    assert set(analysis["recommendations"][0]) == {"category", "suggestion"}


def test_the_first_tries_of_parts_are_tries_but_no_retries_of_a_job() -> None:
    divided = BatchMetrics(
        total_records=20,
        processing_time_seconds=2.0,
        request_seconds=1.0,
        retry_count=1,
        attempts=10,
        splits=4,
        requests=10,
    )
    measured = measure_job(job(divided))
    assert (measured.retries, measured.retry_percent) == (1, 10.0)
    assert measured.retry_seconds == pytest.approx(0.1)


def test_requests_are_compared_with_the_limit_in_requests_not_records() -> None:
    """Check a job with 20 records/s in each batch, but 30 requests/s in all.

    The notebook reported low throughput for such a job.
    """
    batches = []
    for number in range(300):
        start = NOON + timedelta(seconds=number / 30)
        metrics = BatchMetrics(
            total_records=10,
            successful_records=10,
            processing_time_seconds=0.5,
            started_at=start,
            completed_at=start + timedelta(seconds=0.5),
        )
        metrics.calculate_derived_metrics()
        batches.append(metrics)
    measured = measure_job(job(*batches))
    assert measured.avg_throughput_rps == 20.0
    assert measured.requests_per_second == pytest.approx(300 / (299 / 30 + 0.5))
    kinds = {item["type"] for item in BatchPerformanceAnalyzer().analyze_job_performance(job(*batches))["bottlenecks"]}
    assert "low_throughput" not in kinds
