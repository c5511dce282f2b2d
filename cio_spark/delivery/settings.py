"""What a task needs to know to deliver its partition; travels from the driver to the executors inside a closure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cio_spark.config import ApiKey, BatchStrategy, Call, ErrorHandlingStrategy, SyncConfig
from cio_spark.config.api_limits import MAX_BODY_BYTES
from cio_spark.delivery.batching import BatchLimit
from cio_spark.logs.style import LogStyle
from cio_spark.model import ROWS_PER_CHUNK, DeliveryPlan

ONE_ITEM_CALLS = frozenset({Call.DEVICE, Call.DEVICE_DELETE})
"""Calls whose `context` would hold for a whole batch: one record a request (api_facts, Payload)."""

_WHOLE_PERSON = frozenset({Call.IDENTIFY, Call.SUPPRESS, Call.UNSUPPRESS, Call.DELETE_PERSON})
_EVENTS = frozenset({Call.TRACK, Call.PAGE, Call.SCREEN, Call.ALIAS})

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


def overwrites_state(config: SyncConfig) -> bool:
    """Whether an older call of a person, sent late, would overwrite a newer one."""
    return config.payload.call not in _EVENTS


def overwrites_person(config: SyncConfig) -> bool:
    """Whether any newer call of a person makes an older one obsolete; a person's devices and groups are many."""
    return config.payload.call in _WHOLE_PERSON


def delivery_settings(
    config: SyncConfig,
    api_key: ApiKey,
    run_id: str = "probe",
    plan: DeliveryPlan | None = None,
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
        plan: how the wave is cut; None: only the API is asked whether it is there.
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
        lanes=plan.lanes if plan else 1,
        seconds_between_requests=plan.seconds_between_requests if plan else 0.0,
        max_records=plan.max_records if plan else 1,
        max_bytes=plan.max_bytes if plan else MAX_BODY_BYTES,
        one_item_per_request=config.payload.call in ONE_ITEM_CALLS,
        retry_attempts=batch.retry_attempts,
        retry_backoff_seconds=batch.retry_backoff_seconds,
        timeout_seconds=batch.timeout_seconds,
        error_handling=batch.error_handling,
        hold_person_after_failure=overwrites_state(config),
        sample_resources=batch.enable_monitoring,
        strategy=batch.strategy,
        target_request_seconds=batch.target_request_seconds,
        rows_per_chunk=plan.rows_per_chunk if plan else ROWS_PER_CHUNK,
        send_until=send_until,
        stop_when_all_refused=stop_when_all_refused,
        sync=config.sync.name,
        log_style=log_style,
    )
