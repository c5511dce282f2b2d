"""Defines `BatchConfiguration`, which says how records are batched, sent, limited and retried, and its enumerations."""

from __future__ import annotations

import math

from pydantic import BaseModel, ConfigDict, Field, model_validator

from cio_spark.config.base import Real, TextEnum, Whole
from cio_spark.config.section_rules import batch_problems, raise_problems

SECONDS_OF_OVERHEAD_PER_BATCH = 0.5
MOST_PARALLEL_WORKERS = 20


class BatchStatus(TextEnum):
    """Lists the states of a batch or a job."""

    PENDING = "pending"
    PROCESSING = "processing"
    COMPLETED = "completed"
    FAILED = "failed"
    RETRYING = "retrying"
    CANCELLED = "cancelled"


class BatchStrategy(TextEnum):
    """Lists what can decide the size of a request."""

    SIZE_BASED = "size_based"
    TIME_BASED = "time_based"
    MEMORY_BASED = "memory_based"
    ADAPTIVE = "adaptive"


class ErrorHandlingStrategy(TextEnum):
    """Lists the ways to handle a failure."""

    FAIL_FAST = "fail_fast"
    CONTINUE_ON_ERROR = "continue_on_error"
    RETRY_WITH_BACKOFF = "retry_with_backoff"
    DEAD_LETTER_QUEUE = "dead_letter_queue"


class ProcessingPriority(TextEnum):
    """Decides which of several syncs runs first."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    CRITICAL = "critical"


class BatchConfiguration(BaseModel):
    """Describes the batch size, speed, time limits and error handling of one sync.

    Fields, defaults and bounds are those of the prototype notebook. Unlike the other sections, an instance can be
    changed after it was made; every assignment is checked.
    """

    model_config = ConfigDict(extra="forbid", validate_assignment=True)

    # Defaults are named, because without pydantic's plugin mypy takes `Field(1000)` for a field that must be given
    max_batch_size: Whole = Field(default=1000, ge=1, le=10_000, description="Most records in one request.")
    max_batch_bytes: Whole = Field(
        default=500 * 1024,
        ge=1024,
        le=1024 * 1024,
        description="Most bytes in one request body, before compression; the API's own limit of 500,000 bytes "
        "holds whatever is set here.",
    )
    parallel_workers: Whole = Field(
        default=4,
        ge=1,
        le=MOST_PARALLEL_WORKERS,
        description="Most requests in flight at a time in the whole job. Tasks that run at once have equal shares; "
        "what is left over is not used: on 4 task slots, 7 workers are 4. A plan says so.",
    )
    retry_attempts: Whole = Field(
        default=3, ge=0, le=10, description="How many times a request that failed transiently is tried again."
    )
    retry_backoff_seconds: Real = Field(
        default=2.0, ge=0.1, le=60.0, description="Base of the exponential wait before a retry, in seconds."
    )
    timeout_seconds: Whole = Field(default=30, ge=1, le=300, description="Longest time for one request, in seconds.")
    rate_limit_rps: Whole = Field(default=100, ge=1, le=1000, description="Most requests per second in the whole job.")
    error_threshold_percent: Real = Field(
        default=5.0,
        ge=0.0,
        le=100.0,
        description="Error rate, in percent of the records to send, above which a run counts as failed "
        "(always 0 for suppressions).",
    )
    strategy: BatchStrategy = Field(
        default=BatchStrategy.ADAPTIVE,
        description="What the size of a request follows, always within max_batch_size and max_batch_bytes: nothing "
        "else (size_based), target_request_seconds (time_based), memory_budget_mb (memory_based), or the API's "
        "answers: half as much after 413, 429, time-outs and 5xx, step by step more while requests are fast and clean "
        "(adaptive).",
    )
    target_request_seconds: Real = Field(
        default=1.0,
        ge=0.05,
        le=60.0,
        description="Seconds that one request should take; only strategy time_based follows it.",
    )
    memory_budget_mb: Whole = Field(
        default=64,
        ge=1,
        le=4096,
        description="Megabytes (10^6 bytes) that batches may take in one Python worker process, waiting, being sent "
        "and compressed; only strategy memory_based follows it. At least 0.576 for each of parallel_workers.",
    )
    error_handling: ErrorHandlingStrategy = Field(
        default=ErrorHandlingStrategy.RETRY_WITH_BACKOFF,
        description="What a failure leads to: stop the job, go on without retries, retry, or retry and then keep the "
        "record as a dead letter.",
    )
    enable_compression: bool = Field(
        default=True,
        description="Send request bodies compressed with gzip; only with api.strict_mode, for without it no answer "
        "could show that the API reads them.",
    )
    enable_monitoring: bool = Field(
        default=True,
        description="Show the progress of the delivery, note CPU and memory of every batch, and evaluate alerts at the "
        "end of a run; the tables are written in any case.",
    )

    @model_validator(mode="after")
    def _strategy_can_work(self) -> BatchConfiguration:
        raise_problems(batch_problems(self.model_dump(mode="json"), {}))
        return self

    def calculate_optimal_batch_size(self, total_records: int) -> int:
        """Return the records per batch as the notebook computed them: one batch, as long as all records fit into it.

        Args:
            total_records: number of records to send.

        Returns:
            `total_records` if they fit into one batch, else an even share per worker, at most `max_batch_size`.
        """
        if total_records <= self.max_batch_size:
            return total_records
        return min(self.max_batch_size, math.ceil(total_records / self.parallel_workers))

    def balanced_batch_size(self, total_records: int) -> int:
        """Return the records per batch that keep every worker busy, even if all records would fit into one batch.

        Args:
            total_records: number of records to send.

        Returns:
            An even share per worker, at least 1 and at most `max_batch_size`.
        """
        return max(1, min(self.max_batch_size, math.ceil(total_records / self.parallel_workers)))

    def estimate_processing_time(self, total_records: int) -> float:
        """Return the seconds that the notebook would expect a sync to take.

        The method is kept for compatibility; a run's plan has its own estimate.

        Args:
            total_records: number of records to send.

        Returns:
            Batches per worker times (batch size / rate limit + 0.5 s), in seconds; 0.0 if there is nothing to send.
        """
        if total_records <= 0:
            return 0.0
        batch_size = self.calculate_optimal_batch_size(total_records)
        batches_per_worker = math.ceil(math.ceil(total_records / batch_size) / self.parallel_workers)
        return batches_per_worker * (batch_size / self.rate_limit_rps + SECONDS_OF_OVERHEAD_PER_BATCH)
