"""Tests suggestions on a simulated API.

Following a suggestion brings the improvement that it predicted, and every change has a reason.
"""

from __future__ import annotations

import heapq
import math
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
import yaml

from cio_spark import BatchConfiguration, BatchJob, BatchMetrics, BatchPerformanceAnalyzer, load_config
from cio_spark.analysis import Measured, suggest
from cio_spark.analysis.suggestion import latency_by_records
from cio_spark.config import BatchStrategy, ErrorHandlingStrategy
from cio_spark.notebook.measured_job import measure_job

ROOT = Path(__file__).parents[3]
NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
RECORD_BYTES = 300


def simulate(
    config: BatchConfiguration,
    records: int,
    *,
    fixed_seconds: float,
    seconds_per_record: float = 0.0,
    odd: bool = False,
) -> BatchJob:
    """Simulate a job on an API with this latency, and return it.

    Workers take batches in turn, and a schedule spaces the requests. With `odd`, every second batch is half as large,
    like batches in which some persons had to wait.
    """
    job = BatchJob(job_name="simulated", job_type="track", configuration=config, total_records=records)
    by_bytes = (min(config.max_batch_bytes, 500_000) - 12) // RECORD_BYTES
    free = [(0.0, lane) for lane in range(config.parallel_workers)]
    next_slot, left, number = 0.0, records, 0
    while left:
        size = min(config.max_batch_size, by_bytes, left)
        if odd and number % 2:
            size = max(1, size // 2)
        ready, lane = heapq.heappop(free)
        begin = max(ready, next_slot)
        next_slot = begin + 1 / config.rate_limit_rps
        end = begin + fixed_seconds + seconds_per_record * size
        heapq.heappush(free, (end, lane))
        metrics = BatchMetrics(
            total_records=size,
            successful_records=size,
            processing_time_seconds=end - ready,
            requests=1,
            bytes=size * RECORD_BYTES,
            request_seconds=end - begin,
            throttled_seconds=begin - ready,
            started_at=NOON + timedelta(seconds=ready),
            completed_at=NOON + timedelta(seconds=end),
        )
        metrics.calculate_derived_metrics()
        job.batch_metrics.append(metrics)
        left, number = left - size, number + 1
    job.processed_records = records
    return job


def reached(job: BatchJob) -> float:
    """Return the records per second of the whole job."""
    end = max(metrics.completed_at for metrics in job.batch_metrics if metrics.completed_at)
    return job.total_records / (end - NOON).total_seconds()


@pytest.mark.parametrize(
    ("changes", "target", "latency", "at_least"),
    [
        # too few workers for the rate limit
        ({"parallel_workers": 2, "rate_limit_rps": 50}, None, {"fixed_seconds": 0.25}, 6.0),
        # a target that needs only a part of the rate limit
        ({"parallel_workers": 1, "rate_limit_rps": 100}, 2_000.0, {"fixed_seconds": 0.2}, 3.9),
        # the rate limit is reached and requests are small, so larger requests are suggested
        ({"parallel_workers": 8, "rate_limit_rps": 10, "max_batch_size": 50}, 3_000.0, {"fixed_seconds": 0.1}, 5.9),
        # the same, and the cost of a record is fitted to batches of two sizes
        (
            {"parallel_workers": 4, "rate_limit_rps": 10, "max_batch_size": 100},
            4_000.0,
            {"fixed_seconds": 0.05, "seconds_per_record": 0.001, "odd": True},
            5.0,
        ),
        # there is no target and the rate limit is reached, so requests twice as large are suggested
        ({"parallel_workers": 8, "rate_limit_rps": 10, "max_batch_size": 100}, None, {"fixed_seconds": 0.1}, 1.9),
    ],
)
def test_following_the_suggestion_brings_the_predicted_improvement(
    changes: dict[str, int], target: float | None, latency: dict[str, Any], at_least: float
) -> None:
    config = BatchConfiguration(**{"max_batch_size": 100, **changes})
    before = simulate(config, 60_000, **latency)
    suggestion = BatchPerformanceAnalyzer().explain_suggestion(before, target)
    after = simulate(suggestion.configuration, 60_000, **latency)
    assert reached(after) >= at_least * reached(before)
    assert reached(after) >= 0.9 * suggestion.records_per_second
    assert suggestion.records_per_second >= 0.95 * (target or 0.0)
    # Fuller requests are suggested before a higher rate
    assert suggestion.configuration.rate_limit_rps == config.rate_limit_rps


def test_little_s_law_decides_how_many_requests_are_in_flight() -> None:
    job = simulate(
        BatchConfiguration(parallel_workers=2, rate_limit_rps=40, max_batch_size=100), 20_000, fixed_seconds=0.25
    )
    suggestion = BatchPerformanceAnalyzer().explain_suggestion(job)
    (change,) = suggestion.changes
    assert (change.field, change.before, change.after) == ("parallel_workers", 2, 10)
    assert change.reason == "40.0 requests/s × 0.250 s a request = 10.0 in flight (Little's law)"
    assert suggestion.records_per_second == pytest.approx(4_000, rel=0.02)
    assert suggestion.limited_by == "rate_limit_rps = 40"


def test_the_byte_limit_bounds_the_batch_size() -> None:
    config = BatchConfiguration(rate_limit_rps=10, max_batch_size=1000, max_batch_bytes=301_000, parallel_workers=8)
    job = simulate(config, 200_000, fixed_seconds=0.1)
    suggestion = BatchPerformanceAnalyzer().explain_suggestion(job, 100_000.0)
    fits = math.floor((500_000 - 12) / RECORD_BYTES)
    assert suggestion.configuration.max_batch_size == fits
    assert suggestion.configuration.max_batch_bytes == 500_000
    # the rate limit is raised by what is still missing
    assert suggestion.configuration.rate_limit_rps == math.ceil(100_000 / fits)


def test_every_other_field_is_kept() -> None:
    config = BatchConfiguration(
        parallel_workers=1,
        strategy=BatchStrategy.TIME_BASED,
        error_handling=ErrorHandlingStrategy.DEAD_LETTER_QUEUE,
        enable_compression=False,
        enable_monitoring=False,
        retry_attempts=7,
        timeout_seconds=99,
        error_threshold_percent=1.5,
    )
    job = simulate(config, 50_000, fixed_seconds=0.2)
    after = BatchPerformanceAnalyzer().suggest_optimal_configuration(job)
    explained = BatchPerformanceAnalyzer().explain_suggestion(job).overlay()
    assert "# strategy time_based stays: requests follow target_request_seconds = 1" in explained
    changed = {name for name, value in after if value != getattr(config, name)}
    assert changed == {"parallel_workers"}
    assert type(after) is BatchConfiguration


def test_much_that_fails_takes_workers_away() -> None:
    figures: dict[str, Any] = {
        "requests": 100,
        "requests_per_second": 10.0,
        "request_time_mean_seconds": 0.4,
        "records_per_batch": 100.0,
    }
    suggestion = suggest(BatchConfiguration(), Measured(**figures, error_rate_percent=8.0))
    assert [(change.field, change.after) for change in suggestion.changes] == [("parallel_workers", 3)]
    assert "8.0 % of the records failed" in suggestion.changes[0].reason


def test_a_429_lowers_the_rate_to_what_was_taken() -> None:
    figures: dict[str, Any] = {
        "requests": 100,
        "requests_per_second": 30.7,
        "request_time_mean_seconds": 0.1,
        "records_per_batch": 100.0,
    }
    suggestion = suggest(BatchConfiguration(), Measured(**figures, rate_limited_batches=2))
    assert suggestion.configuration.rate_limit_rps == 30


def test_workers_that_were_not_used_are_not_multiplied() -> None:
    """Check 4 workers that could make 40 requests/s at 0.1 s a request, and made 5.

    Cores or records are missing then, not workers.
    """
    figures: dict[str, Any] = {
        "requests": 100,
        "requests_per_second": 5.0,
        "request_time_mean_seconds": 0.1,
        "records_per_batch": 100.0,
    }
    suggestion = suggest(BatchConfiguration(), Measured(**figures))
    assert suggestion.changes == ()
    assert "task slots" in suggestion.limited_by


@pytest.mark.parametrize(
    "job", [BatchJob(job_name="j", job_type="t", configuration=BatchConfiguration(), total_records=0)]
)
def test_a_job_that_sent_nothing_keeps_its_configuration(job: BatchJob) -> None:
    assert BatchPerformanceAnalyzer().suggest_optimal_configuration(job, 100.0) == job.configuration


def test_latency_without_different_sizes_is_taken_to_grow_with_the_records() -> None:
    latency = latency_by_records(Measured(request_time_mean_seconds=0.2, records_per_batch=100.0))
    assert (latency(50), latency(100), latency(200)) == (0.2, 0.2, 0.4)
    fitted = Measured(request_time_mean_seconds=0.2, records_per_batch=100.0, seconds_per_record=0.001)
    assert latency_by_records(fitted)(200) == pytest.approx(0.3)


def test_what_a_record_costs_is_fitted_to_batches_of_different_sizes() -> None:
    config = BatchConfiguration(parallel_workers=1, max_batch_size=100)
    job = simulate(config, 1500, fixed_seconds=0.05, seconds_per_record=0.002, odd=True)
    assert measure_job(job).seconds_per_record == pytest.approx(0.002)
    even = simulate(config, 1500, fixed_seconds=0.05, seconds_per_record=0.002)
    assert measure_job(even).seconds_per_record is None


def test_the_overlay_is_an_environment_that_a_sync_accepts(tmp_path: Path) -> None:
    job = simulate(BatchConfiguration(parallel_workers=2, max_batch_size=100), 20_000, fixed_seconds=0.25)
    overlay = tmp_path / "environments" / "faster.yml"
    after = BatchPerformanceAnalyzer().suggest_optimal_configuration(job, 5_000.0, overlay=overlay)
    assert yaml.safe_load(overlay.read_text(encoding="utf-8")) == {
        "batch": {"parallel_workers": after.parallel_workers}
    }
    loaded = load_config(ROOT / "conf" / "syncs" / "orders.yml", environment="faster", conf_dir=tmp_path)
    assert loaded.batch.parallel_workers == after.parallel_workers
    assert loaded.batch.max_batch_size == 1000


def test_an_overlay_without_changes_is_accepted_too(tmp_path: Path) -> None:
    job = simulate(BatchConfiguration(parallel_workers=20, rate_limit_rps=50), 50_000, fixed_seconds=0.1)
    job = job.model_copy(update={"configuration": BatchConfiguration(parallel_workers=20, rate_limit_rps=50)})
    suggest(job.configuration, Measured()).write_overlay(tmp_path / "environments" / "same.yml")
    load_config(ROOT / "conf" / "syncs" / "orders.yml", environment="same", conf_dir=tmp_path)


@pytest.mark.parametrize("strategy", [BatchStrategy.TIME_BASED, BatchStrategy.MEMORY_BASED, BatchStrategy.ADAPTIVE])
def test_a_larger_batch_size_is_not_suggested_where_the_strategy_keeps_requests_small(strategy: BatchStrategy) -> None:
    config = BatchConfiguration(rate_limit_rps=10, max_batch_size=1000, strategy=strategy)
    full = Measured(
        batch_count=200,
        total_records=120_000,
        accepted_records=120_000,
        busy_seconds=20.0,
        requests=200,
        requests_per_second=10.0,
        request_seconds=40.0,
        request_time_mean_seconds=0.2,
        records_per_batch=600.0,
        bytes_per_record=300.0,
        bytes_per_batch=180_000.0,
        limit_records_mean=1000.0,
        limit_records_most=1000,
    )
    kept_small = replace(full, limit_records_mean=600.0)
    assert suggest(config, full, 20_000.0).configuration.max_batch_size > 1000
    suggestion = suggest(config, kept_small, 20_000.0)
    assert suggestion.configuration.max_batch_size == 1000
    assert "600 records a request were allowed on average" in suggestion.strategy
