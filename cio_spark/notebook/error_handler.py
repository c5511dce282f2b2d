"""Decides what to do about a batch that failed, for callers that send batches themselves."""

from __future__ import annotations

import queue
import threading
from collections import Counter, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import BatchConfiguration, ErrorHandlingStrategy
from cio_spark.errors import CioSparkError
from cio_spark.notebook.error_kinds import ErrorKind, kind_of, stops_everything
from cio_spark.notebook.metrics import BatchMetrics

MOST_REMEMBERED = 1_000
MOST_DELAY_SECONDS = 300.0
RECENT = timedelta(hours=1)
_MOST_DOUBLINGS = 10


@dataclass(frozen=True)
class _Rule:
    """Holds what follows from one kind of error."""

    severity: str
    recoverable: bool
    strategy: str
    delay_seconds: float


_RULES: Final[Mapping[ErrorKind, _Rule]] = {
    ErrorKind.RATE_LIMIT: _Rule("medium", True, "exponential_backoff", 60.0),
    ErrorKind.NETWORK: _Rule("medium", True, "immediate_retry", 2.0),
    ErrorKind.SERVER: _Rule("medium", True, "exponential_backoff", 5.0),
    ErrorKind.VALIDATION: _Rule("high", False, "dead_letter_queue", 0.0),
    ErrorKind.TOO_LARGE: _Rule("high", False, "dead_letter_queue", 0.0),
    ErrorKind.AUTHENTICATION: _Rule("critical", False, "abort_job", 0.0),
    ErrorKind.UNKNOWN: _Rule("medium", True, "limited_retry", 5.0),
}
_STOPS: Final = _RULES[ErrorKind.AUTHENTICATION]
_ACTIONS = {"dead_letter_queue": "move_to_dlq", "abort_job": "abort"}


class BatchErrorHandler:
    """Categorises errors, decides what to do next, and counts failures; several threads may call it.

    `failed_batches` has the last 1,000 failures. `retry_queue` has the batches that should be tried again, as tuples
    (time when due, sequence number, batch id), the earliest first; while 1,000 wait there, no more are added.

    Args:
        config: its `error_handling` and `retry_attempts` decide what to do.
        clock: source of the current time; None for the system's clock.
    """

    def __init__(self, config: BatchConfiguration, *, clock: Clock | None = None) -> None:
        self.config = config
        self.logger = structlog.get_logger("cio_spark.notebook")
        self.failed_batches: deque[dict[str, Any]] = deque(maxlen=MOST_REMEMBERED)
        self.retry_queue: queue.PriorityQueue[tuple[datetime, int, str]] = queue.PriorityQueue(MOST_REMEMBERED)
        self._clock = clock or SystemClock()
        self._lock = threading.Lock()
        self._categories: Counter[str] = Counter()
        self._severities: Counter[str] = Counter()

    def categorize_error(self, error: BaseException) -> dict[str, Any]:
        """Tell what kind of error an exception is.

        Args:
            error: the exception. Its type and the HTTP status that it carries decide; its words are used only for a
                bare `Exception`.

        Returns:
            A dictionary with `category`, `severity` (medium, high, critical), `recoverable`, `strategy` and
            `delay_seconds`.
        """
        kind = kind_of(error)
        rule = _STOPS if stops_everything(error) else _RULES[kind]
        return {
            "category": kind.value,
            "severity": rule.severity,
            "recoverable": rule.recoverable,
            "strategy": rule.strategy,
            "delay_seconds": rule.delay_seconds,
        }

    def handle_batch_error(
        self, batch_metrics: BatchMetrics, error: BaseException, batch_data: Sequence[Mapping[str, Any]]
    ) -> dict[str, Any]:
        """Record a failure and decide what to do.

        Args:
            batch_metrics: metrics of the batch; its `retry_count` is the number of retries so far.
            error: the exception that made the batch fail.
            batch_data: requests of the batch; they are only counted.

        Returns:
            A dictionary with `action`, `delay_seconds` and `should_retry`. After a recoverable error the batch is
            tried again `retry_attempts` times; then it is left to the next run or, with `dead_letter_queue`, moved to
            the dead letters. `fail_fast` aborts; `continue_on_error` goes on without a retry. A request that the API
            refuses goes to the dead letters under every setting of `error_handling` but `fail_fast`, and a refused key
            always aborts.
        """
        info = self.categorize_error(error)
        now = self._clock.now()
        # The messages of other libraries' errors may quote a payload
        said = str(error) if isinstance(error, CioSparkError) else type(error).__name__
        self.logger.error(
            "batch_error",
            batch_id=batch_metrics.batch_id,
            error_category=info["category"],
            error_severity=info["severity"],
            recoverable=info["recoverable"],
            error_message=said,
        )
        action = self._action(info, batch_metrics.retry_count)
        failure = {
            "batch_id": batch_metrics.batch_id,
            "error": str(error),
            "error_info": info,
            "failed_at": now,
            "data_size": len(batch_data),
        }
        with self._lock:
            self.failed_batches.append(failure)
            self._categories[info["category"]] += 1
            self._severities[info["severity"]] += 1
            if action["should_retry"] and not self.retry_queue.full():
                due = now + timedelta(seconds=action["delay_seconds"])
                self.retry_queue.put_nowait((due, self._categories.total(), batch_metrics.batch_id))
        return action

    def _action(self, info: Mapping[str, Any], retries: int) -> dict[str, Any]:
        handling, strategy = self.config.error_handling, info["strategy"]
        action, delay = _ACTIONS.get(strategy, strategy), float(info["delay_seconds"])
        should_retry = info["recoverable"] and retries < self.config.retry_attempts
        if strategy == "exponential_backoff":
            delay = min(delay * 2 ** min(retries, _MOST_DOUBLINGS), MOST_DELAY_SECONDS)
        if handling is ErrorHandlingStrategy.FAIL_FAST:
            action, should_retry = "abort", False
        elif info["recoverable"] and handling is ErrorHandlingStrategy.CONTINUE_ON_ERROR:
            action, should_retry = "continue", False
        elif info["recoverable"] and handling is ErrorHandlingStrategy.DEAD_LETTER_QUEUE and not should_retry:
            action = "move_to_dlq"
        # After the last try the notebook still returned its strategy and its delay; this keeps it so
        waits = should_retry or action == strategy
        return {"action": action, "delay_seconds": delay if waits else 0.0, "should_retry": should_retry}

    def get_error_statistics(self) -> dict[str, Any]:
        """Count all failures so far.

        Returns:
            A dictionary with `total_errors`, `recent_errors_1h` (counted among the last 1,000 failures),
            `error_categories`, `error_severities` and `most_common_error` (None if there are no failures).
        """
        with self._lock:
            since = self._clock.now() - RECENT
            most = self._categories.most_common(1)
            return {
                "total_errors": self._categories.total(),
                "recent_errors_1h": sum(failure["failed_at"] > since for failure in self.failed_batches),
                "error_categories": dict(self._categories),
                "error_severities": dict(self._severities),
                "most_common_error": most[0][0] if most else None,
            }
