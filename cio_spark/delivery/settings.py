"""Describes the settings that a task needs to deliver its partition; a closure brings them to the executors."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cio_spark.config import ApiKey, BatchStrategy, ErrorHandlingStrategy, SyncConfig
from cio_spark.delivery.batching import BatchLimit
from cio_spark.logs.style import LogStyle
from cio_spark.model import ROWS_PER_CHUNK, DeliveryPlan

STRATEGIES_WITH_RETRIES = frozenset({ErrorHandlingStrategy.RETRY_WITH_BACKOFF, ErrorHandlingStrategy.DEAD_LETTER_QUEUE})
"""Strategies that retry transient failures."""


@dataclass(frozen=True)
class DeliverySettings:
    """Describes how one partition is delivered.

    Attributes:
        base_url: the API's address, ending in `/v1`.
        api_key: the key.
        strict_mode: whether to ask the API for errors instead of silent drops.
        compress: whether to send bodies with gzip; see `compression`.
        run_id: id of the run; also the key of what a process keeps between tasks.
        operation_type: first part of batch ids.
        wave: number of the wave.
        lanes: most requests in flight in this task, 1 to 20.
        seconds_between_requests: least seconds between two requests of this task.
        max_records: most records of a request.
        max_bytes: most bytes of a request body, envelope included, before compression.
        one_item_per_request: whether every record is sent in a request of its own (device events).
        retry_attempts: most retries after a transient failure.
        retry_backoff_seconds: base of the exponential wait, in seconds.
        timeout_seconds: hard deadline of one request.
        error_handling: strategy after a failure.
        hold_person_after_failure: whether a person's later records wait for the next run after one has failed.
        sample_resources: whether to record memory and CPU for each batch.
        strategy: what decides the size of a request, see `sizing`.
        target_request_seconds: seconds that a request should take under `time_based`.
        rows_per_chunk: rows that Spark hands to a task at a time.
        send_until: UTC time after which no request is started; None if there is no such time.
        stop_when_all_refused: whether a process that sees nothing but refusals stops, because its configuration is
            wrong.
        circuit_failures: number of failed requests in a row that opens the circuit breaker; with 0 it never opens.
        circuit_budget_seconds: seconds for which an API that fails is tried before the run gives it up.
        sync: name of the sync, for log lines.
        log_style: form of the log lines of worker processes.
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
        """Return the most that a request may ever carry."""
        return BatchLimit(self.records_per_request, self.max_bytes)

    @property
    def records_per_request(self) -> int:
        """Return the most records of a request, which is 1 under `one_item_per_request`."""
        return 1 if self.one_item_per_request else self.max_records

    @property
    def retries(self) -> int:
        """Return the retries per batch: 0 under `continue_on_error` and `fail_fast`."""
        return self.retry_attempts if self.error_handling in STRATEGIES_WITH_RETRIES else 0

    @property
    def stops_at_first_failure(self) -> bool:
        """Tell whether the first failed batch ends the partition."""
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
    """Collect the settings that the tasks of a wave need.

    Args:
        config: the sync.
        api_key: the key.
        run_id: id of the run.
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
