"""Logs jobs and their batches with counts, times and codes; never with a payload, a person or the API's own words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import structlog

from cio_spark.config import BatchStatus
from cio_spark.logs.unfailing import write_event
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.metrics import BatchMetrics

_LEVELS: Final = {BatchStatus.COMPLETED: "info", BatchStatus.CANCELLED: "warning"}


class JobLog:
    """Writes the events `job_started`, `batch_finished` and `job_finished`; several threads may call it.

    The program that uses this package configures structlog, and so decides where the lines go; this class configures
    nothing.
    """

    def __init__(self) -> None:
        self.logger = structlog.get_logger("cio_spark.notebook")

    def job_started(self, job: BatchJob, expected_batches: int) -> None:
        """Log that a job begins.

        Args:
            job: the job.
            expected_batches: number of batches that follows from the number of records. There may be more, because
                records are long, or because a person's records stay in one lane.
        """
        write_event(
            self.logger,
            "info",
            "job_started",
            job_id=job.job_id,
            job_name=job.job_name,
            job_type=job.job_type,
            priority=job.priority.value,
            total_records=job.total_records,
            expected_batches=expected_batches,
            workers=job.configuration.parallel_workers,
        )

    def batch_finished(self, metrics: BatchMetrics, codes: Mapping[str, int], job: BatchJob | None = None) -> None:
        """Log that a batch is finished.

        Args:
            metrics: metrics of the batch.
            codes: number of records that were not accepted, by error code.
            job: the job that the batch belongs to; None if the caller sent the batch on its own.
        """
        facts: dict[str, Any] = {} if job is None else {"job_id": job.job_id}
        facts |= {
            "batch_id": metrics.batch_id,
            "worker_id": metrics.worker_id,
            "status": metrics.status.value,
            "total_records": metrics.total_records,
            "successful_records": metrics.successful_records,
            "failed_records": metrics.failed_records,
            "retry_count": metrics.retry_count,
            "processing_time_seconds": round(metrics.processing_time_seconds, 3),
            "throughput_rps": round(metrics.throughput_rps, 3),
            "error_rate_percent": round(metrics.error_rate_percent, 3),
        }
        if codes:
            facts["error_codes"] = dict(sorted(codes.items()))
        if job is not None:
            facts["progress_percent"] = round(job.get_progress_percent(), 1)
        write_event(self.logger, _LEVELS.get(metrics.status, "error"), "batch_finished", **facts)

    def job_finished(self, job: BatchJob) -> None:
        """Log that a job has ended."""
        sums = job.get_aggregate_metrics()
        seconds = (job.completed_at - job.started_at).total_seconds() if job.completed_at and job.started_at else 0.0
        write_event(
            self.logger,
            _LEVELS.get(job.status, "error"),
            "job_finished",
            job_id=job.job_id,
            status=job.status.value,
            total_records=job.total_records,
            processed_records=job.processed_records,
            failed_records=sums.get("total_failed_records", 0),
            total_batches=sums.get("total_batches", 0),
            error_rate_percent=round(sums.get("overall_error_rate_percent", 0.0), 3),
            seconds=round(max(0.0, seconds), 3),
            throughput_rps=round(job.processed_records / seconds, 3) if seconds > 0 else 0.0,
        )
