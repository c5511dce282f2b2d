"""Watches the batches of jobs in memory, for callers that send batches themselves."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

import structlog

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import BatchConfiguration, MonitoringSection
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.measured_job import covered_seconds, mean, requests_of
from cio_spark.notebook.metrics import BatchMetrics

MOST_REMEMBERED: Final = 1_000
MOST_ALERTS: Final = 100
RECENT: Final = timedelta(minutes=5)
_LATEST = 5


@dataclass(frozen=True)
class _Seen:
    """Holds a batch and the time at which it was recorded."""

    at: datetime
    job_id: str
    metrics: BatchMetrics

    @property
    def requests(self) -> int:
        return requests_of(self.metrics)

    @property
    def span(self) -> tuple[datetime, datetime]:
        """Start and end of the batch; a batch without times is taken to have ended when it was recorded."""
        end = self.metrics.completed_at or self.at
        return self.metrics.started_at or end - timedelta(seconds=self.metrics.processing_time_seconds), end


class BatchMonitor:
    """Raises alerts, and computes a dashboard and trends, for the newest 1,000 batches.

    Each batch that has too many errors or takes too long raises an alert. The alert for low throughput is about a job:
    all of the job's batches of the last five minutes are counted, in requests per second of the time in which at least
    one of them was under way. This alert is raised once, when the throughput becomes too low.

    The names of the methods and of the result keys are the prototype notebook's.

    Args:
        config: gives the error threshold and the rate limit.
        limits: thresholds of the alerts; None for the defaults.
        clock: source of the current time; None for the system's clock.
    """

    def __init__(
        self, config: BatchConfiguration, *, limits: MonitoringSection | None = None, clock: Clock | None = None
    ) -> None:
        self.config = config
        self.logger = structlog.get_logger("batch_monitor")
        self.metrics_history: deque[dict[str, Any]] = deque(maxlen=MOST_REMEMBERED)
        self.alerts: deque[dict[str, Any]] = deque(maxlen=MOST_ALERTS)
        self._limits = limits or MonitoringSection()
        self._clock = clock or SystemClock()
        self._seen: deque[_Seen] = deque(maxlen=MOST_REMEMBERED)
        self._slow_jobs: set[str] = set()

    def record_metrics(self, job: BatchJob, metrics: BatchMetrics) -> None:
        """Record a batch, and raise the alerts that follow from it.

        Args:
            job: the job that the batch belongs to.
            metrics: the metrics of the batch.
        """
        now = self._clock.now()
        self._seen.append(_Seen(now, job.job_id, metrics))
        self.metrics_history.append(
            {
                "timestamp": now,
                "job_id": job.job_id,
                "batch_id": metrics.batch_id,
                "worker_id": metrics.worker_id,
                "throughput_rps": metrics.throughput_rps,
                "error_rate_percent": metrics.error_rate_percent,
                "processing_time_seconds": metrics.processing_time_seconds,
                "status": metrics.status,
                "total_records": metrics.total_records,
            }
        )
        if metrics.error_rate_percent > self.config.error_threshold_percent * self._limits.error_rate_factor:
            message = f"Error rate {metrics.error_rate_percent:.1f}% exceeds threshold"
            self._raise("high_error_rate", "critical", message, job, metrics, now)
        if metrics.processing_time_seconds > self._limits.slow_batch_seconds:
            message = f"Batch took {metrics.processing_time_seconds:.1f}s to process"
            self._raise("slow_processing", "warning", message, job, metrics, now)
        self._check_throughput(job, metrics, now)

    def _check_throughput(self, job: BatchJob, metrics: BatchMetrics, now: datetime) -> None:
        mine = [seen for seen in self._seen if seen.job_id == job.job_id and seen.at > now - RECENT]
        busy = covered_seconds(seen.span for seen in mine)
        if busy < self._limits.minimum_busy_seconds or busy <= 0:
            return
        rate = sum(seen.requests for seen in mine) / busy
        slow = rate < self.config.rate_limit_rps * self._limits.low_throughput_percent / 100
        if slow and job.job_id not in self._slow_jobs:
            message = f"Throughput {rate:.1f} requests/s below expected minimum"
            self._raise("low_throughput", "warning", message, job, metrics, now)
        (self._slow_jobs.add if slow else self._slow_jobs.discard)(job.job_id)

    def _raise(
        self, kind: str, severity: str, message: str, job: BatchJob, metrics: BatchMetrics, now: datetime
    ) -> None:
        alert = {"type": kind, "severity": severity, "message": message, "job_id": job.job_id}
        self.alerts.append({**alert, "batch_id": metrics.batch_id, "timestamp": now})
        self.logger.warning("Batch alert triggered", alert_type=kind, severity=severity, message=message)

    def get_real_time_dashboard(self) -> dict[str, Any]:
        """Summarise the batches and alerts of the last five minutes.

        Returns:
            `status` (no_data, no_recent_data, healthy, degraded, warning or critical) and, if there are batches in the
            last five minutes, `timestamp`, `active_jobs`, `total_batches_5min`, `total_throughput_rps` (records/s,
            summed over batches as in the notebook), `avg_error_rate_percent`, `avg_processing_time_seconds`,
            `recent_alerts` (`critical`, `warning`, `total`) and `latest_alerts` (the newest five).
        """
        if not self.metrics_history:
            return {"status": "no_data"}
        now = self._clock.now()
        recent = [record for record in self.metrics_history if record["timestamp"] > now - RECENT]
        if not recent:
            return {"status": "no_recent_data"}
        alerts = [alert for alert in self.alerts if alert["timestamp"] > now - RECENT]
        critical = sum(alert["severity"] == "critical" for alert in alerts)
        warning = sum(alert["severity"] == "warning" for alert in alerts)
        error_rate = mean([record["error_rate_percent"] for record in recent])
        if critical or warning:
            status = "critical" if critical else "warning"
        else:
            status = "degraded" if error_rate > self.config.error_threshold_percent else "healthy"
        return {
            "status": status,
            "timestamp": now.isoformat(),
            "active_jobs": len({record["job_id"] for record in recent}),
            "total_batches_5min": len(recent),
            "total_throughput_rps": sum(record["throughput_rps"] for record in recent),
            "avg_error_rate_percent": error_rate,
            "avg_processing_time_seconds": mean(_positive(recent, "processing_time_seconds")),
            "recent_alerts": {"critical": critical, "warning": warning, "total": len(alerts)},
            "latest_alerts": alerts[-_LATEST:],
        }

    def get_performance_trends(self, hours: int = 24) -> dict[str, Any]:
        """Compute means for each hour, in UTC.

        Args:
            hours: length of the period that ends now, in hours.

        Returns:
            `period_hours`, `data_points` and `trends`: a list of dictionaries with `hour`, `total_batches`,
            `avg_throughput_rps` (mean records/s of the batches that delivered any record), `avg_error_rate_percent`
            and `avg_processing_time_seconds`; a `status` of no_data if there are no batches in the period.
        """
        since = self._clock.now() - timedelta(hours=hours)
        by_hour: dict[datetime, list[dict[str, Any]]] = {}
        for record in self.metrics_history:
            if record["timestamp"] > since:
                hour = record["timestamp"].replace(minute=0, second=0, microsecond=0)
                by_hour.setdefault(hour, []).append(record)
        if not by_hour:
            return {"status": "no_data"}
        trends = [
            {
                "hour": hour.isoformat(),
                "total_batches": len(records),
                "avg_throughput_rps": mean(_positive(records, "throughput_rps")),
                "avg_error_rate_percent": mean([record["error_rate_percent"] for record in records]),
                "avg_processing_time_seconds": mean(_positive(records, "processing_time_seconds")),
            }
            for hour, records in sorted(by_hour.items())
        ]
        return {"period_hours": hours, "data_points": len(trends), "trends": trends}


def _positive(records: Sequence[dict[str, Any]], key: str) -> list[float]:
    return [record[key] for record in records if record[key] > 0]
