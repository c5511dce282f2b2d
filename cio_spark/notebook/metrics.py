"""Describes how the sending of one batch went."""

from __future__ import annotations

import uuid
from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator

from cio_spark.config import BatchStatus, ProcessingPriority


class BatchMetrics(BaseModel):
    """Describes what became of the records of one batch.

    Fields, their bounds and the methods are the prototype notebook's; further fields hold what only the delivery knows.
    """

    model_config = ConfigDict(validate_assignment=True)

    batch_id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    worker_id: str | None = Field(None, description="The lane that sent it, or the caller's name for it.")
    total_records: int = Field(..., ge=0, description="Records in it.")
    successful_records: int = Field(0, ge=0, description="Records the API accepted.")
    failed_records: int = Field(0, ge=0, description="All others: refused, failed, not sent.")
    processing_time_seconds: float = Field(0.0, ge=0.0, description="From waiting for its turn to its last answer.")
    throughput_rps: float = Field(0.0, ge=0.0, description="Accepted records per second.")
    error_rate_percent: float = Field(0.0, ge=0.0, le=100.0, description="Failed of all records, in percent.")
    retry_count: int = Field(
        0, ge=0, description="Tries after the first one; a division makes two parts, whose first tries are none."
    )
    attempts: int | None = Field(None, ge=0, description="Tries of it and its parts.")
    splits: int | None = Field(None, ge=0, description="Divisions of it and its parts, after a refusal.")
    requests: int | None = Field(None, ge=0, description="HTTP requests made for it and its parts.")
    bytes: int | None = Field(None, ge=0, description="Its body before compression; its bodies, where it took several.")
    request_seconds: float | None = Field(None, ge=0.0, description="Spent in requests.")
    throttled_seconds: float | None = Field(None, ge=0.0, description="Spent waiting for turns and before retries.")
    memory_usage_mb: float | None = Field(None, ge=0.0, description="Resident memory of the process, in MiB.")
    cpu_usage_percent: float | None = Field(None, ge=0.0, le=100.0, description="CPU in percent of one core.")
    status: BatchStatus = Field(
        BatchStatus.PENDING,
        description="completed, failed (too many errors), cancelled (never sent), retrying (between tries).",
    )
    priority: ProcessingPriority = Field(ProcessingPriority.NORMAL, description="Of its job.")
    started_at: datetime | None = Field(None, description="UTC.")
    completed_at: datetime | None = Field(None, description="UTC.")
    errors: list[str] = Field(default_factory=list, description="Reasons for people, each once, without payload.")

    @field_validator("successful_records", "failed_records")
    @classmethod
    def _not_above_total(cls, count: int, info: ValidationInfo) -> int:
        total = info.data.get("total_records")
        if total is not None and count > total:
            raise ValueError(f"Record count {count} cannot exceed total {total}")
        return count

    def calculate_derived_metrics(self) -> None:
        """Set the error rate and the throughput from the counts and the processing time.

        The error rate stays as it is if there are no records, the throughput if there is no processing time.
        """
        if self.total_records > 0:
            self.error_rate_percent = min(100.0, self.failed_records / self.total_records * 100)
        if self.processing_time_seconds > 0:
            self.throughput_rps = self.successful_records / self.processing_time_seconds

    def is_healthy(self, error_threshold: float = 5.0) -> bool:
        """Tell whether the error rate is at most a threshold.

        Args:
            error_threshold: threshold in percent; a rate equal to it is healthy.
        """
        return self.error_rate_percent <= error_threshold
