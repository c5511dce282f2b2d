"""Tests that BatchConfiguration keeps the notebook's fields, bounds and results, without its division by zero."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from cio_spark.config import BatchConfiguration, BatchStatus, BatchStrategy, ErrorHandlingStrategy
from cio_spark.planning.request_limits import RequestLimits

BOUNDS = {
    "max_batch_size": (1, 10_000),
    "max_batch_bytes": (1024, 1_048_576),
    "parallel_workers": (1, 20),
    "retry_attempts": (0, 10),
    "retry_backoff_seconds": (0.1, 60.0),
    "timeout_seconds": (1, 300),
    "rate_limit_rps": (1, 1000),
    "error_threshold_percent": (0.0, 100.0),
    "target_request_seconds": (0.05, 60.0),
    "memory_budget_mb": (1, 4096),
}
configurations = st.builds(
    BatchConfiguration,
    max_batch_size=st.integers(1, 10_000),
    parallel_workers=st.integers(1, 20),
    rate_limit_rps=st.integers(1, 1000),
)
totals = st.integers(0, 10**9)


def test_the_defaults_are_the_notebooks_and_those_of_the_strategies() -> None:
    assert BatchConfiguration().model_dump(mode="json") == {
        "max_batch_size": 1000,
        "max_batch_bytes": 512_000,
        "parallel_workers": 4,
        "retry_attempts": 3,
        "retry_backoff_seconds": 2.0,
        "timeout_seconds": 30,
        "rate_limit_rps": 100,
        "error_threshold_percent": 5.0,
        "strategy": "adaptive",
        "target_request_seconds": 1.0,
        "memory_budget_mb": 64,
        "error_handling": "retry_with_backoff",
        "enable_compression": True,
        "enable_monitoring": True,
    }


@pytest.mark.parametrize(("field", "bounds"), BOUNDS.items())
def test_both_bounds_are_allowed_and_nothing_beyond_them(field: str, bounds: tuple[float, float]) -> None:
    low, high = bounds
    for value in bounds:
        assert getattr(BatchConfiguration(**{field: value}), field) == value
    for value in (low - 1, high + 1):
        with pytest.raises(ValidationError):
            BatchConfiguration(**{field: value})


@pytest.mark.parametrize(
    "wrong", [{"parallel_workers": True}, {"timeout_seconds": 1.5}, {"retry_backoff_seconds": float("nan")}]
)
def test_values_of_another_kind_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        BatchConfiguration(**wrong)


def test_unknown_fields_are_refused() -> None:
    with pytest.raises(ValidationError):
        BatchConfiguration(max_batchsize=5)  # type: ignore[call-arg]


def test_an_assignment_is_checked_like_the_first_value() -> None:
    config = BatchConfiguration()
    config.strategy = "size_based"  # type: ignore[assignment]
    assert config.strategy is BatchStrategy.SIZE_BASED
    with pytest.raises(ValidationError):
        config.parallel_workers = 21
    assert config.parallel_workers == 4


def test_enumerations_are_their_text_everywhere() -> None:
    config = BatchConfiguration(error_handling=ErrorHandlingStrategy.FAIL_FAST)
    assert config.error_handling == "fail_fast"
    assert f"{config.error_handling}" == str(config.error_handling) == "fail_fast"
    assert json.dumps({"status": BatchStatus.COMPLETED}) == '{"status": "completed"}'


@pytest.mark.parametrize(("total", "size"), [(0, 0), (1, 1), (1000, 1000), (1500, 375), (10_000, 1000)])
def test_the_optimal_batch_size_is_the_notebooks(total: int, size: int) -> None:
    assert BatchConfiguration().calculate_optimal_batch_size(total) == size


@pytest.mark.parametrize(("total", "size"), [(0, 1), (1, 1), (100, 25), (1500, 375), (10_000, 1000)])
def test_the_balanced_batch_size_shares_small_totals_too(total: int, size: int) -> None:
    assert BatchConfiguration().balanced_batch_size(total) == size


@pytest.mark.parametrize(("total", "seconds"), [(0, 0.0), (100, 1.5), (1500, 4.25), (10_000, 31.5)])
def test_the_estimate_is_the_notebooks_and_zero_for_nothing(total: int, seconds: float) -> None:
    assert BatchConfiguration().estimate_processing_time(total) == pytest.approx(seconds)


@given(configurations, totals)
def test_sizes_stay_within_their_bounds(config: BatchConfiguration, total: int) -> None:
    assert 1 <= config.balanced_batch_size(total) <= config.max_batch_size
    assert min(total, 1) <= config.calculate_optimal_batch_size(total) <= config.max_batch_size
    assert config.balanced_batch_size(total) <= max(1, config.calculate_optimal_batch_size(total))


@given(configurations, totals)
def test_the_estimate_is_at_least_half_a_second_a_batch(config: BatchConfiguration, total: int) -> None:
    estimate = config.estimate_processing_time(total)
    assert (estimate == 0.0) if total == 0 else (estimate >= 0.5)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"strategy": "memory_based", "memory_budget_mb": 2}, "memory_budget_mb"),
        ({"strategy": "memory_based", "memory_budget_mb": 10, "parallel_workers": 20}, "memory_budget_mb"),
        ({"strategy": "time_based", "target_request_seconds": 30}, "target_request_seconds"),
    ],
)
def test_a_strategy_that_cannot_work_is_refused_and_under_another_one_its_settings_do_not_matter(
    fields: dict[str, Any], field: str
) -> None:
    with pytest.raises(ValidationError, match=field):
        BatchConfiguration(**fields)
    BatchConfiguration(**{**fields, "strategy": "adaptive"})


def test_the_least_memory_budget_is_enough_for_requests_of_one_large_record() -> None:
    batch = BatchConfiguration(strategy=BatchStrategy.MEMORY_BASED, memory_budget_mb=12, parallel_workers=20)
    limits = RequestLimits(1000, 500_000).within_budget(batch, lanes=20)
    assert limits.bytes >= 32_000
    assert limits.records >= 1
