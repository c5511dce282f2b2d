"""Describes the health of a sync by one word and an exit status."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cio_spark.errors import ExitStatus
from cio_spark.monitoring.alert_changes import AlertEvent
from cio_spark.monitoring.alert_rules import CRITICAL
from cio_spark.monitoring.observed import Observed

STATUSES: Final = ("no_data", "no_recent_data", "healthy", "degraded", "warning", "critical")
"""All values of `Health.status`, from the least to the most serious."""
_EXIT: Final = {
    "degraded": ExitStatus.MONITOR_WARNING,
    "warning": ExitStatus.MONITOR_WARNING,
    "critical": ExitStatus.MONITOR_CRITICAL,
}


@dataclass(frozen=True)
class Health:
    """Holds the result of one check of a sync.

    Attributes:
        sync: name of the sync.
        status: one of `STATUSES`.
        observed: facts about the sync.
        opened, resolved: alerts that this check opened and resolved.
        open_alerts: alerts that are open after the check, oldest first.
        webhook: outcome of telling the webhook, for people; None if there was no change or no webhook.
    """

    sync: str
    status: str
    observed: Observed
    opened: tuple[AlertEvent, ...] = ()
    resolved: tuple[AlertEvent, ...] = ()
    open_alerts: tuple[AlertEvent, ...] = ()
    webhook: str | None = None

    @property
    def exit_status(self) -> ExitStatus:
        """Exit status: 0 for healthy or without data, 8 for degraded and warning, 9 for critical."""
        return _EXIT.get(self.status, ExitStatus.SUCCESS)

    def exit_status_from(self, severity: str) -> ExitStatus:
        """Return the exit status if nothing milder than a severity counts.

        Args:
            severity: critical or warning.
        """
        return ExitStatus.SUCCESS if severity == CRITICAL and self.status != CRITICAL else self.exit_status


def status_of(observed: Observed, still_open: Sequence[AlertEvent], error_threshold_percent: float) -> str:
    """Return the status of a sync; open alerts decide it first, because they count even without recent data.

    Args:
        observed: facts about the sync.
        still_open: open alerts of the sync.
        error_threshold_percent: error rate above which a sync without open alerts is degraded.
    """
    if still_open:
        return "critical" if any(alert.severity == CRITICAL for alert in still_open) else "warning"
    window = observed.window
    if not window.batch_count:
        return "no_recent_data" if observed.runs else "no_data"
    return "degraded" if window.error_rate_percent > error_threshold_percent else "healthy"
