"""Describes a batch job: the settings for a list of requests to send, and how many of them are sent."""

from __future__ import annotations

import statistics
import uuid
from datetime import datetime, timedelta
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import BatchConfiguration, BatchStatus, ProcessingPriority
from cio_spark.notebook.metrics import BatchMetrics

_SYSTEM_CLOCK = SystemClock()


class BatchJob(BaseModel):
    """Holds settings and progress of a job of `ParallelBatchProcessor`.

    The names of fields, methods and result keys are the prototype notebook's.
    """

    model_config = ConfigDict(validate_assignment=True)

    job_id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    job_name: str = Field(..., description="The job's name for people.")
    job_type: str = Field(..., description="Kind of job, a label.")
    configuration: BatchConfiguration = Field(..., description="How its requests are batched and sent.")
    total_records: int = Field(..., ge=0, description="Records to send.")
    processed_records: int = Field(0, ge=0, description="Records accepted so far.")
    status: BatchStatus = BatchStatus.PENDING
    priority: ProcessingPriority = Field(
        ProcessingPriority.NORMAL, description="Of several jobs, `process_jobs` sends the critical ones first."
    )
    created_at: datetime = Field(default_factory=_SYSTEM_CLOCK.now)
    started_at: datetime | None = Field(None, description="UTC.")
    completed_at: datetime | None = Field(None, description="UTC.")
    estimated_completion: datetime | None = Field(None, description="UTC, as expected at the start.")
    batch_metrics: list[BatchMetrics] = Field(default_factory=list, description="How each finished batch went.")
    metadata: dict[str, Any] = Field(default_factory=dict, description="Whatever the caller wants to note.")

    def get_progress_percent(self) -> float:
        """Return the accepted records in percent of all records; 100 if there are no records."""
        return 100.0 if self.total_records == 0 else self.processed_records / self.total_records * 100

    def get_estimated_remaining_time(self, clock: Clock = _SYSTEM_CLOCK) -> timedelta | None:
        """Estimate the time that the remaining records need at the speed so far.

        Args:
            clock: source of the current time.

        Returns:
            The estimate; None if no record has been accepted yet.
        """
        if self.started_at is None or self.processed_records == 0:
            return None
        elapsed = (clock.now() - self.started_at).total_seconds()
        remaining = max(0, self.total_records - self.processed_records)
        return timedelta(seconds=max(0.0, elapsed) * remaining / self.processed_records)

    def get_aggregate_metrics(self) -> dict[str, Any]:
        """Sum up the batches that are finished so far.

        Returns:
            A dictionary with `total_successful_records`, `total_failed_records`, `total_processing_time_seconds` (a
            sum over all batches, also those that ran at the same time), `average_throughput_rps` (mean records/s of
            the batches that delivered any record), `overall_error_rate_percent`, `total_batches`,
            `successful_batches` and `failed_batches`. All values are zero for a finished job without records; the
            dictionary is empty while the job is not finished and has no finished batch.
        """
        batches = self.batch_metrics
        if not batches and self.completed_at is None:
            return {}
        failed = sum(batch.failed_records for batch in batches)
        throughputs = [batch.throughput_rps for batch in batches if batch.throughput_rps > 0]
        return {
            "total_successful_records": sum(batch.successful_records for batch in batches),
            "total_failed_records": failed,
            "total_processing_time_seconds": sum(batch.processing_time_seconds for batch in batches),
            "average_throughput_rps": statistics.mean(throughputs) if throughputs else 0.0,
            "overall_error_rate_percent": failed / self.total_records * 100 if self.total_records else 0.0,
            "total_batches": len(batches),
            "successful_batches": sum(batch.status == BatchStatus.COMPLETED for batch in batches),
            "failed_batches": sum(batch.status == BatchStatus.FAILED for batch in batches),
        }
