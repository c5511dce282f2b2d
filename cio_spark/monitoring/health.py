"""How a sync is: one word, and the exit status for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cio_spark.errors import ExitStatus
from cio_spark.monitoring.alert_changes import AlertEvent
from cio_spark.monitoring.alert_rules import CRITICAL
from cio_spark.monitoring.observed import Observed

STATUSES: Final = ("no_data", "no_recent_data", "healthy", "degraded", "warning", "critical")
"""From nothing to say to bad."""
_EXIT: Final = {
    "degraded": ExitStatus.MONITOR_WARNING,
    "warning": ExitStatus.MONITOR_WARNING,
    "critical": ExitStatus.MONITOR_CRITICAL,
}


@dataclass(frozen=True)
class Health:
    """What a look at a sync came to.

    Attributes:
        sync: its name.
        status: one of `STATUSES`.
        observed: the facts.
        opened, resolved: alerts that changed by this look.
        open_alerts: that are open after it, oldest first.
        webhook: what became of telling it; None: nothing was to tell, or nobody.
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
        """0 for healthy and for nothing to say, 8 for degraded and warning, 9 for critical."""
        return _EXIT.get(self.status, ExitStatus.SUCCESS)


def status_of(observed: Observed, still_open: Sequence[AlertEvent], error_threshold_percent: float) -> str:
    """The word: open alerts first, for they say something also when there was nothing lately.

    Args:
        observed: the facts.
        still_open: alerts.
        error_threshold_percent: above it, without an alert, the sync is degraded.
    """
    if still_open:
        return "critical" if any(alert.severity == CRITICAL for alert in still_open) else "warning"
    window = observed.window
    if not window.batch_count:
        return "no_recent_data" if observed.runs else "no_data"
    return "degraded" if window.error_rate_percent > error_threshold_percent else "healthy"
