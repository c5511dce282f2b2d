"""Evaluates alert rules for a sync and tells a webhook; `check` and `observing` use the tables (need Spark)."""

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
