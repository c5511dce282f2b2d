"""Analyses jobs in memory by the same rules that `analysis.findings` applies to runs in the tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import structlog

from cio_spark.analysis.bottlenecks import Bottleneck, find_bottlenecks
from cio_spark.analysis.measured import Measured
from cio_spark.analysis.suggestion import Suggestion, suggest
from cio_spark.config import BatchConfiguration
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.measured_job import measure_job


class BatchPerformanceAnalyzer:
    """Finds what makes a job slow and suggests a better configuration.

    The names of the methods and of the result keys are the prototype notebook's.
    """

    def __init__(self) -> None:
        self.logger = structlog.get_logger("performance_analyzer")

    def analyze_job_performance(self, job: BatchJob) -> dict[str, Any]:
        """Analyse a job.

        Args:
            job: a finished job.

        Returns:
            A dictionary with `job_summary`, `performance_stats` (seconds, records/s and percent), `bottlenecks` (each
            with `type`, `description`, `severity`, `metric`) and `recommendations` (each with `category`,
            `suggestion`), one for each bottleneck; a dictionary with only `error` if the job has no batches.
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
            **_findings(measure_job(job), job.configuration),
        }

    def suggest_optimal_configuration(
        self, job: BatchJob, target_throughput_rps: float | None = None, *, overlay: Path | None = None
    ) -> BatchConfiguration:
        """Suggest a better configuration for the job; fields without a reason to change keep their values.

        Args:
            job: a finished job.
            target_throughput_rps: records per second to reach; None for as many as the job's rate limit allows.
            overlay: a YAML file to which the changes and their reasons are written; `cio-spark sync` can use the file
                as an environment. None if no file is wanted.

        Returns:
            The job's configuration with the suggested changes.
        """
        suggestion = self.explain_suggestion(job, target_throughput_rps)
        for change in suggestion.changes:
            self.logger.info("Configuration change suggested", field=change.field, change=str(change))
        if overlay is not None:
            suggestion.write_overlay(overlay)
        return suggestion.configuration

    def explain_suggestion(self, job: BatchJob, target_throughput_rps: float | None = None) -> Suggestion:
        """Suggest a better configuration, with the reason for each change and the effect that is expected of it.

        Args:
            job, target_throughput_rps: see `suggest_optimal_configuration`.
        """
        return suggest(job.configuration, measure_job(job), target_throughput_rps)


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
