"""Analyses jobs that are in memory, by the rules that `findings` has for runs in the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog

from cio_spark.analysis.bottlenecks import Bottleneck, find_bottlenecks
from cio_spark.analysis.measured import Measured
from cio_spark.analysis.suggestion import Suggestion, suggest
from cio_spark.config import BatchConfiguration
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.measured_job import measured_of_job


class BatchPerformanceAnalyzer:
    """Finds what holds a job back, and a configuration that does better; methods and result keys are the notebook's."""

    def __init__(self) -> None:
        self.logger = structlog.get_logger("performance_analyzer")

    def analyze_job_performance(self, job: BatchJob) -> dict[str, Any]:
        """Analyse a job.

        Args:
            job: a finished one.

        Returns:
            `job_summary`, `performance_stats` (seconds, records/s and percent), `bottlenecks` (`type`, `description`,
            `severity`, `metric`) and `recommendations` (`category`, `suggestion`), one for each bottleneck; or
            `error` where the job has no batches.
        """
        if not job.batch_metrics:
            return {"error": "No batch metrics available for analysis"}
        both = job.started_at is not None and job.completed_at is not None
        seconds = (job.completed_at - job.started_at).total_seconds() if both else 0  # type: ignore[operator]  # `both`
        return {
            "job_summary": {
                "job_id": job.job_id,
                "total_time_seconds": max(0, seconds),
                "total_batches": len(job.batch_metrics),
                "total_records": job.total_records,
                "records_processed": job.processed_records,
            },
            **_findings(measured_of_job(job), job.configuration),
        }

    def suggest_optimal_configuration(
        self, job: BatchJob, target_throughput_rps: float | None = None, *, overlay: Path | None = None
    ) -> BatchConfiguration:
        """A better configuration for the job; fields without a reason to change stay as they are.

        Args:
            job: a finished one.
            target_throughput_rps: records/s that are wanted; None: as many as its rate limit allows.
            overlay: a YAML file to write the changes and their reasons to; `cio-spark sync` takes it as an environment.
        """
        suggestion = self.explain_suggestion(job, target_throughput_rps)
        for change in suggestion.changes:
            self.logger.info("Configuration change suggested", field=change.field, change=str(change))
        if overlay is not None:
            suggestion.write_overlay(overlay)
        return suggestion.configuration

    def explain_suggestion(self, job: BatchJob, target_throughput_rps: float | None = None) -> Suggestion:
        """The same with the reason of each change, and what it is expected to bring.

        Args:
            job, target_throughput_rps: see `suggest_optimal_configuration`.
        """
        return suggest(job.configuration, measured_of_job(job), target_throughput_rps)


def _findings(measured: Measured, config: BatchConfiguration) -> dict[str, Any]:
    found = find_bottlenecks(measured, config)
    return {
        "performance_stats": {
            "avg_processing_time": measured.avg_processing_time_seconds,
            "min_processing_time": measured.min_processing_time_seconds,
            "max_processing_time": measured.max_processing_time_seconds,
            "std_processing_time": measured.std_processing_time_seconds,
            "avg_throughput_rps": measured.avg_throughput_rps,
            "max_throughput_rps": measured.max_throughput_rps,
            "avg_error_rate": measured.avg_error_rate_percent,
        },
        "bottlenecks": [_bottleneck(item) for item in found],
        "recommendations": [{"category": item.category, "suggestion": item.suggestion} for item in found],
    }


def _bottleneck(item: Bottleneck) -> dict[str, str]:
    return {"type": item.type, "description": item.description, "severity": item.severity, "metric": item.metric}
