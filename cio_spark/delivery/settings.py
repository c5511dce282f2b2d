"""What a task needs to know to deliver its partition; travels from the driver to the executors inside a closure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cio_spark.config import ApiKey, BatchStrategy, ErrorHandlingStrategy, SyncConfig
from cio_spark.delivery.batching import BatchLimit
from cio_spark.logs.style import LogStyle
from cio_spark.model import ROWS_PER_CHUNK, DeliveryPlan

PATIENT = frozenset({ErrorHandlingStrategy.RETRY_WITH_BACKOFF, ErrorHandlingStrategy.DEAD_LETTER_QUEUE})
"""Strategies that try again what failed transiently."""


@dataclass(frozen=True)
class DeliverySettings:
    """How one partition is delivered.

    Attributes:
        base_url: the API's address, ending in `/v1`.
        api_key: the key.
        strict_mode: whether the API is asked to refuse aloud what it would drop silently.
        compress: whether bodies are sent with gzip; see `compression`.
        run_id: the run; also the key of what a process keeps between tasks.
        operation_type: first part of batch ids.
        wave: number of the wave.
        lanes: requests in flight in this task, 1 to 20.
        seconds_between_requests: least time between two requests of this task.
        max_records: records a request may carry.
        max_bytes: bytes a request body may have, envelope included, before compression.
        one_item_per_request: every record in a request of its own (device events).
        retry_attempts: how often a transient failure is tried again.
        retry_backoff_seconds: base of the exponential wait.
        timeout_seconds: hard deadline of one request.
        error_handling: what a failure leads to.
        hold_person_after_failure: whether a person's later records wait for the next run after one has failed.
        sample_resources: whether memory and CPU are noted per batch.
        strategy: what the size of a request follows, see `sizing`.
        target_request_seconds: what a request should take under `time_based`.
        rows_per_chunk: rows that Spark hands to a task at a time.
        send_until: UTC, the time after which no request is started; None: there is no such time.
        stop_when_all_refused: whether a process that sees nothing but refusals stops: its configuration is wrong.
        circuit_failures: failed requests in a row that open the circuit breaker; 0: it never opens.
        circuit_budget_seconds: how long an API that fails is tried before the run gives it up.
        sync: name of the sync, for log lines.
        log_style: how the worker processes write log lines.
    """

    base_url: str
    api_key: ApiKey
    strict_mode: bool
    compress: bool
    run_id: str
    operation_type: str
    wave: int
    lanes: int
    seconds_between_requests: float
    max_records: int
    max_bytes: int
    one_item_per_request: bool
    retry_attempts: int
    retry_backoff_seconds: float
    timeout_seconds: int
    error_handling: ErrorHandlingStrategy
    hold_person_after_failure: bool
    sample_resources: bool
    strategy: BatchStrategy = BatchStrategy.SIZE_BASED
    target_request_seconds: float = 1.0
    rows_per_chunk: int = ROWS_PER_CHUNK
    send_until: datetime | None = None
    stop_when_all_refused: bool = True
    circuit_failures: int = 5
    circuit_budget_seconds: float = 300.0
    sync: str = ""
    log_style: LogStyle = LogStyle.OFF

    @property
    def ceiling(self) -> BatchLimit:
        """The most that a request may ever carry."""
        return BatchLimit(self.records_per_request, self.max_bytes)

    @property
    def records_per_request(self) -> int:
        """Records a request may carry, with `one_item_per_request` taken into account."""
        return 1 if self.one_item_per_request else self.max_records

    @property
    def retries(self) -> int:
        """Retries per batch under the strategy: none under `continue_on_error` and `fail_fast`."""
        return self.retry_attempts if self.error_handling in PATIENT else 0

    @property
    def stops_at_first_failure(self) -> bool:
        """Whether the first failed batch ends the partition."""
        return self.error_handling is ErrorHandlingStrategy.FAIL_FAST


def delivery_settings(
    config: SyncConfig,
    api_key: ApiKey,
    run_id: str,
    plan: DeliveryPlan,
    wave: int = 0,
    *,
    send_until: datetime | None = None,
    stop_when_all_refused: bool = True,
    log_style: LogStyle = LogStyle.OFF,
) -> DeliverySettings:
    """What the tasks of a wave need to know.

    Args:
        config: the sync.
        api_key: the key.
        run_id: the run.
        plan: how the wave is cut.
        wave: number of the wave.
        send_until: see `DeliverySettings`.
        stop_when_all_refused: see `DeliverySettings`.
        log_style: see `DeliverySettings`.
    """
    batch = config.batch
    return DeliverySettings(
        base_url=config.api.url,
        api_key=api_key,
        strict_mode=config.api.strict_mode,
        compress=batch.enable_compression,
        run_id=run_id,
        operation_type=config.operation_type,
        wave=wave,
        lanes=plan.lanes,
        seconds_between_requests=plan.seconds_between_requests,
        max_records=plan.max_records,
        max_bytes=plan.max_bytes,
        one_item_per_request=config.call.one_item_per_request,
        retry_attempts=batch.retry_attempts,
        retry_backoff_seconds=batch.retry_backoff_seconds,
        timeout_seconds=batch.timeout_seconds,
        error_handling=batch.error_handling,
        hold_person_after_failure=config.call.overwrites_state,
        sample_resources=batch.enable_monitoring,
        strategy=batch.strategy,
        target_request_seconds=batch.target_request_seconds,
        rows_per_chunk=plan.rows_per_chunk,
        send_until=send_until,
        stop_when_all_refused=stop_when_all_refused,
        sync=config.sync.name,
        log_style=log_style,
    )
