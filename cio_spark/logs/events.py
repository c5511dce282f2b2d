"""Names every event of the log, its level and its fields; these names do not change (docs/logging.md)."""

from __future__ import annotations

from enum import Enum
from typing import Final

from cio_spark.statuses import ROW_STATES, SKIPPED_STATES, STATUSES


class Event(str, Enum):
    """Lists the events of the log."""

    # Claims
    CLAIM_MADE = "claim_made"
    CLAIM_WAITS = "claim_waits"
    CLAIM_TOOK_OVER = "claim_took_over"
    CLAIM_REFUSED = "claim_refused"
    CLAIM_LOST = "claim_lost"
    LOST_RUN_SETTLED = "lost_run_settled"
    # Runs
    RUN_NOT_STARTED = "run_not_started"
    RUN_STARTED = "run_started"
    RUN_PLANNED = "run_planned"
    RUN_ENDED = "run_ended"
    # Waves
    WAVE_STARTED = "wave_started"
    WAVE_PROGRESS = "wave_progress"
    WAVE_RETRIED = "wave_retried"
    WAVE_COMMITTED = "wave_committed"
    BATCH_FAILURES = "batch_failures"
    # Alerts
    ALERT_OPENED = "alert_opened"
    ALERT_RESOLVED = "alert_resolved"
    ALERTS_TOLD = "alerts_told"
    ALERTS_NOT_TOLD = "alerts_not_told"
    ALERTS_NOT_EVALUATED = "alerts_not_evaluated"
    # Tables
    TABLES_SET_UP = "tables_set_up"
    TABLES_MAINTAINED = "tables_maintained"
    # Worker processes
    REQUEST_FAILURES = "request_failures"
    CIRCUIT_OPENED = "circuit_opened"
    CIRCUIT_CLOSED = "circuit_closed"
    CIRCUIT_GAVE_UP = "circuit_gave_up"


INFO: Final = "info"
WARNING: Final = "warning"
ERROR: Final = "error"

BINDINGS: Final = ("run_id", "sync")
"""Fields of every event."""

_PLACE: Final = ("wave", "partition", "lane", "worker")
_ALERT: Final = ("alert_id", "alert", "severity", "text", "alert_run_id", "batch_id")

FIELDS: Final[dict[Event, tuple[str, ...]]] = {
    Event.CLAIM_MADE: ("job_attempt", "take_over", "lease_seconds", "lost_runs"),
    Event.CLAIM_WAITS: ("holder_run_id", "job_attempt", "until"),
    Event.CLAIM_TOOK_OVER: ("lost_run_id", "reason", "started_at", "claim_expires_at"),
    Event.CLAIM_REFUSED: ("holder_run_id", "exit_status", "error"),
    Event.CLAIM_LOST: ("wave",),
    Event.LOST_RUN_SETTLED: ("lost_run_id",),
    Event.RUN_NOT_STARTED: ("exit_status", "error_type", "error"),
    Event.RUN_STARTED: ("source", "source_version", "configuration_hash", "package_version"),
    Event.RUN_PLANNED: (
        *("scope", "scope_reason", "source_rows", "new", "changed", "again", *SKIPPED_STATES, "invalid", "gone"),
        *("payload_bytes", "requests", "waves", "partitions", "tasks", "lanes", "max_records", "max_bytes"),
        *("sizing", "compression", "eta_seconds", "limited_by"),
    ),
    Event.RUN_ENDED: (
        *("exit_status", "outcome", "scope", "scope_reason", "source_rows", *ROW_STATES, "gone", "balanced"),
        "error_rate_percent",
        *("requests", "retries", "bytes", "compressed_bytes", "request_seconds", "throttled_seconds"),
        *("seconds", "delivery_seconds", "phases"),
    ),
    Event.WAVE_STARTED: ("wave", "waves", "records", "requests", "partitions", "lanes", "eta_seconds"),
    Event.WAVE_PROGRESS: (
        *("wave", "records_done", "records", "records_per_second", "run_seconds_left"),
        *("tasks_done", "tasks", "seconds"),
    ),
    Event.WAVE_RETRIED: ("wave", "attempt", "reason"),
    Event.WAVE_COMMITTED: ("wave", *STATUSES, "requests", "retries", "bytes", "seconds"),
    Event.BATCH_FAILURES: ("wave", "records", "failures"),
    Event.ALERT_OPENED: _ALERT,
    Event.ALERT_RESOLVED: _ALERT,
    Event.ALERTS_TOLD: ("changes", "outcome"),
    Event.ALERTS_NOT_TOLD: ("error",),
    Event.ALERTS_NOT_EVALUATED: ("error",),
    Event.TABLES_SET_UP: ("changes",),
    Event.TABLES_MAINTAINED: ("changes",),
    Event.REQUEST_FAILURES: (*_PLACE, "category", "code", "http_status", "count"),
    Event.CIRCUIT_OPENED: (*_PLACE, "seconds"),
    Event.CIRCUIT_CLOSED: _PLACE,
    Event.CIRCUIT_GAVE_UP: _PLACE,
}
"""Fields of each event besides `BINDINGS`; every line of an event has all of them, null if there is no value."""

LEVELS: Final[dict[Event, str]] = {
    Event.CLAIM_TOOK_OVER: WARNING,
    Event.CLAIM_REFUSED: ERROR,
    Event.CLAIM_LOST: ERROR,
    Event.RUN_NOT_STARTED: ERROR,
    Event.WAVE_RETRIED: WARNING,
    Event.BATCH_FAILURES: WARNING,
    Event.ALERTS_NOT_TOLD: WARNING,
    Event.ALERTS_NOT_EVALUATED: WARNING,
    Event.REQUEST_FAILURES: WARNING,
    Event.CIRCUIT_OPENED: WARNING,
    Event.CIRCUIT_GAVE_UP: ERROR,
}
"""Levels of events that are more than information.

Besides, callers log the end of a failed run and a critical alert as errors.
"""

ONLY_IN_LOG: Final = frozenset({Event.ALERTS_NOT_TOLD, Event.ALERTS_NOT_EVALUATED})
"""Events that neither the progress display nor a command's tables show."""


def with_all_fields(event: Event, fields: dict[str, object]) -> dict[str, object]:
    """Return an event's fields in their order, null if a value is not known.

    Args:
        event: the event.
        fields: known values; names that are not among the event's fields are left out.
    """
    return {name: fields.get(name) for name in FIELDS[event]}
