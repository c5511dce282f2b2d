"""Tests that BatchErrorHandler decides by type and status, follows error_handling, and counts."""

from __future__ import annotations

from typing import Any

import pytest
import requests
from structlog.testing import capture_logs

from cio_spark import (
    BatchConfiguration,
    BatchErrorHandler,
    BatchMetrics,
    CustomerIOError,
    ErrorHandlingStrategy,
    NetworkError,
    RateLimitError,
    ValidationError,
)
from cio_spark.clock import FakeClock
from cio_spark.errors import AuthenticationError

NOTEBOOK_ERRORS = [
    (RateLimitError("Rate limit exceeded: 429 Too Many Requests"), "exponential_backoff", True, 60.0),
    (NetworkError("Connection timeout after 30 seconds"), "immediate_retry", True, 2.0),
    (ValidationError("Invalid email format in user data"), "move_to_dlq", False, 0.0),
    (Exception("Authentication failed: Invalid API key"), "abort", False, 0.0),
]
DATA = [{"userId": f"user_{j}", "event": "Test"} for j in range(50)]


def handler(clock: FakeClock | None = None, **fields: Any) -> BatchErrorHandler:
    return BatchErrorHandler(BatchConfiguration(**fields), clock=clock)


def metrics(retry_count: int = 0, batch_id: str = "b") -> BatchMetrics:
    return BatchMetrics(batch_id=batch_id, total_records=50, retry_count=retry_count)


def http_error(status: int) -> requests.HTTPError:
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("server said", response=response)


@pytest.mark.parametrize(("error", "action", "should_retry", "delay"), NOTEBOOK_ERRORS)
def test_the_notebooks_four_errors_have_the_notebooks_outcome(
    error: Exception, action: str, should_retry: bool, delay: float
) -> None:
    assert handler().handle_batch_error(metrics(), error, DATA) == {
        "action": action,
        "should_retry": should_retry,
        "delay_seconds": delay,
    }


def test_the_notebooks_simulation_gives_its_statistics() -> None:
    one = handler()
    for number, (error, *_) in enumerate(NOTEBOOK_ERRORS):
        one.handle_batch_error(metrics(batch_id=f"test_batch_{number}"), error, DATA)
    assert one.get_error_statistics() == {
        "total_errors": 4,
        "recent_errors_1h": 4,
        "error_categories": {"rate_limit": 1, "network": 1, "validation": 1, "authentication": 1},
        "error_severities": {"medium": 2, "high": 1, "critical": 1},
        "most_common_error": "rate_limit",
    }
    assert [failed["data_size"] for failed in one.failed_batches] == [50] * 4


def test_a_category_has_the_notebooks_keys() -> None:
    assert handler().categorize_error(RateLimitError("x", 429)) == {
        "category": "rate_limit",
        "severity": "medium",
        "recoverable": True,
        "strategy": "exponential_backoff",
        "delay_seconds": 60.0,
    }


@pytest.mark.parametrize(
    ("error", "category"),
    [
        (AuthenticationError("x", 401), "authentication"),
        (NetworkError("x", 503), "network"),
        (ValidationError("x", 413), "validation"),
        (CustomerIOError("x", 429), "rate_limit"),
        (CustomerIOError("x", 408), "network"),
        (CustomerIOError("x", 413), "too_large"),
        (CustomerIOError("x", 302), "unknown"),
        (CustomerIOError("x"), "unknown"),
        (http_error(401), "authentication"),
        (http_error(400), "validation"),
        (http_error(502), "server"),
        (requests.ConnectTimeout("x"), "network"),
        (requests.ReadTimeout("x"), "network"),
        (requests.ConnectionError("x"), "network"),
        (requests.exceptions.ChunkedEncodingError("x"), "network"),
        (TimeoutError("x"), "network"),
        (ConnectionResetError("x"), "network"),
        (KeyError("x"), "unknown"),
    ],
)
def test_type_and_status_decide(error: Exception, category: str) -> None:
    assert handler().categorize_error(error)["category"] == category


@pytest.mark.parametrize(
    ("error", "strategy"),
    [
        *[(CustomerIOError("x", status), "abort_job") for status in (302, 401, 402, 404, 451)],
        *[(http_error(status), "abort_job") for status in (403, 404)],
        (http_error(422), "dead_letter_queue"),
        *[(http_error(status), "exponential_backoff") for status in (409, 423, 425, 501, 520, 530)],
    ],
)
def test_a_status_has_the_consequence_it_has_in_a_sync(error: Exception, strategy: str) -> None:
    assert handler().categorize_error(error)["strategy"] == strategy


@pytest.mark.parametrize(
    ("words", "category"),
    [
        ("Rate Limit exceeded", "rate_limit"),
        ("network is down", "network"),
        ("timeout", "network"),
        ("validation of x", "validation"),
        ("401 Unauthorized", "authentication"),
        ("nothing known", "unknown"),
    ],
)
def test_words_decide_for_a_bare_exception_only(words: str, category: str) -> None:
    assert handler().categorize_error(Exception(words))["category"] == category
    assert handler().categorize_error(ValueError(words))["category"] == "unknown"
    assert handler().categorize_error(NetworkError(f"validation, unauthorized, {words}"))["category"] == "network"


@pytest.mark.parametrize(("retries", "delay"), [(0, 60.0), (1, 120.0), (2, 240.0), (3, 300.0), (5000, 300.0)])
def test_backoff_doubles_up_to_five_minutes(retries: int, delay: float) -> None:
    done = handler(retry_attempts=10).handle_batch_error(metrics(retries), RateLimitError("x"), DATA)
    assert (done["delay_seconds"], done["should_retry"]) == (delay, retries < 10)


def test_retries_end_after_the_configured_attempts() -> None:
    one = handler(retry_attempts=2)
    retried = [one.handle_batch_error(metrics(count), NetworkError("x"), DATA)["should_retry"] for count in range(4)]
    assert retried == [True, True, False, False]
    assert one.retry_queue.qsize() == 2


@pytest.mark.parametrize(
    ("handling", "error", "retries", "outcome"),
    [
        ("fail_fast", NetworkError("x"), 0, ("abort", False)),
        ("fail_fast", ValidationError("x"), 0, ("abort", False)),
        ("continue_on_error", NetworkError("x"), 0, ("continue", False)),
        ("continue_on_error", ValidationError("x"), 0, ("move_to_dlq", False)),
        ("continue_on_error", AuthenticationError("x"), 0, ("abort", False)),
        ("retry_with_backoff", NetworkError("x"), 3, ("immediate_retry", False)),
        ("dead_letter_queue", NetworkError("x"), 0, ("immediate_retry", True)),
        ("dead_letter_queue", NetworkError("x"), 3, ("move_to_dlq", False)),
    ],
)
def test_error_handling_decides_what_follows(
    handling: str, error: Exception, retries: int, outcome: tuple[str, bool]
) -> None:
    one = handler(error_handling=ErrorHandlingStrategy(handling))
    done = one.handle_batch_error(metrics(retries), error, DATA)
    assert (done["action"], done["should_retry"]) == outcome
    assert set(done) == {"action", "should_retry", "delay_seconds"}


def test_statistics_without_errors_are_zeros() -> None:
    assert handler().get_error_statistics() == {
        "total_errors": 0,
        "recent_errors_1h": 0,
        "error_categories": {},
        "error_severities": {},
        "most_common_error": None,
    }


def test_all_errors_are_counted_and_only_those_of_the_last_hour_are_recent() -> None:
    clock = FakeClock()
    one = handler(clock)
    one.handle_batch_error(metrics(), NetworkError("x"), DATA)
    clock.sleep(3601)
    for _ in range(1100):
        one.handle_batch_error(metrics(), ValidationError("x"), DATA)
    statistics = one.get_error_statistics()
    assert (statistics["total_errors"], statistics["recent_errors_1h"]) == (1101, 1000)
    assert statistics["error_categories"] == {"network": 1, "validation": 1100}
    assert statistics["most_common_error"] == "validation"


def test_what_a_foreign_error_says_is_not_logged() -> None:
    with capture_logs() as logs:
        handler().handle_batch_error(metrics(), ValueError("secret@example.com"), DATA)
        handler().handle_batch_error(metrics(), NetworkError("no answer within 30 s"), DATA)
    assert [entry["error_message"] for entry in logs] == ["ValueError", "no answer within 30 s"]
    assert {entry["event"] for entry in logs} == {"batch_error"}
    assert "secret@example.com" not in str(logs)
