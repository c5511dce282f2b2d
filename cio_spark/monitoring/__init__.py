"""Alerts: what to judge a sync by, and whom to tell. What reads and writes tables is in `check` (needs Spark)."""

from cio_spark.monitoring.alert_changes import AlertEvent, changes, open_alerts
from cio_spark.monitoring.alert_rules import Judgement, judge_sync
from cio_spark.monitoring.health import Health, status_of
from cio_spark.monitoring.observed import Observed, RunFacts, Window

__all__ = [
    "AlertEvent",
    "Health",
    "Judgement",
    "Observed",
    "RunFacts",
    "Window",
    "changes",
    "judge_sync",
    "open_alerts",
    "status_of",
]
