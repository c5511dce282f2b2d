"""Checks a sync once: reads its facts, evaluates the alert rules, records the changes and tells the webhook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

from cio_spark.clock import Clock
from cio_spark.config import SyncConfig, WebhookUrl
from cio_spark.errors import CioSparkError
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import ERROR, WARNING, Event
from cio_spark.monitoring.alert_changes import OPENED, RESOLVED, AlertEvent, changes, open_alerts
from cio_spark.monitoring.alert_rules import judge_sync
from cio_spark.monitoring.health import Health, status_of
from cio_spark.monitoring.observing import observe_sync
from cio_spark.monitoring.webhook import Post, post, tell
from cio_spark.results import RunHistory, Tables
from cio_spark.results.alerts import append_alert_events, read_alert_events


def check_sync(
    config: SyncConfig,
    tables: Tables,
    *,
    clock: Clock,
    minutes: int | None = None,
    webhook: WebhookUrl | None = None,
    send: Post = post,
    run_id: str | None = None,
    history: RunHistory | None = None,
) -> Health:
    """Evaluate the alert rules of a sync, and record the alerts that open and resolve.

    If the window has another length than the configuration's, no change is recorded: this check and the check at the
    end of a run would otherwise open and resolve the same alerts in turn.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables, which must exist.
        clock: source of time.
        minutes: length of the window in minutes; None for the configuration's.
        webhook: webhook to tell of changes; None for none.
        send: sends a text to the webhook.
        run_id: run whose end this check belongs to, for the log; None if it belongs to no run.
        history: the runs of the sync if they are known; None to read them.
    """
    now, sync = clock.now(), config.sync.name
    observed = observe_sync(tables, config, now=now, minutes=minutes, history=history)
    before = [AlertEvent(**row) for row in read_alert_events(tables, sync)]
    found = changes(judge_sync(observed, config), before, sync=sync, now=now)
    events = before
    if minutes is not None and minutes != config.monitoring.window_minutes:
        found = []
    if found:
        seen = max((event.at for event in before), default=None)
        written = append_alert_events(tables, sync, [asdict(event) for event in found], seen=seen)
        events = [AlertEvent(**row) for row in written]
    # If another monitor was quicker, its events are in the table, and it tells the webhook of them
    mine = [event for event in found if event in events]
    log = EventLog(sync, run_id)
    for event in mine:
        _log_change(log, event)
    still_open = open_alerts(events)
    health = Health(
        sync=sync,
        status=status_of(observed, still_open, config.error_threshold_percent),
        observed=observed,
        opened=tuple(event for event in mine if event.event == OPENED),
        resolved=tuple(event for event in mine if event.event == RESOLVED),
        open_alerts=tuple(still_open),
    )
    if webhook is None or not mine:
        return health
    outcome = tell(webhook, mine, clock, send)
    log.write(Event.ALERTS_TOLD, changes=len(mine), outcome=outcome)
    return replace(health, webhook=outcome)


def _log_change(log: EventLog, change: AlertEvent) -> None:
    opened = change.event == OPENED
    log.write(
        Event.ALERT_OPENED if opened else Event.ALERT_RESOLVED,
        level=(ERROR if change.severity == "critical" else WARNING) if opened else None,
        alert_id=change.alert_id,
        alert=change.type,
        severity=change.severity,
        text=change.message,
        alert_run_id=change.run_id,
        batch_id=change.batch_id,
    )


def check_after_run(
    config: SyncConfig,
    tables: Tables,
    *,
    clock: Clock,
    find_webhook: Callable[[SyncConfig], WebhookUrl | None],
    run_id: str | None = None,
    history: RunHistory | None = None,
) -> Health | None:
    """Call `check_sync` at the end of a run with `enable_monitoring`; never raise, since the run's own outcome counts.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables.
        clock: source of time.
        find_webhook: returns the webhook to tell, as `runtime.find_webhook` does.
        run_id: id of the run, for the log.
        history: the runs of the sync if they are known; None to read them.

    Returns:
        The health of the sync; None if monitoring is off or failed (then a warning is logged).
    """
    if not config.batch.enable_monitoring:
        return None
    log = EventLog(config.sync.name, run_id)
    try:
        webhook = find_webhook(config)
    except Exception as error:  # the alerts are recorded in the table, also without a webhook
        log.write(Event.ALERTS_NOT_TOLD, error=str(error) if _is_ours(error) else type(error).__name__)
        webhook = None
    try:
        return check_sync(config, tables, clock=clock, webhook=webhook, run_id=run_id, history=history)
    except Exception as error:  # only logged, whatever its cause: the rows are sent and the books are written
        log.write(Event.ALERTS_NOT_EVALUATED, error=type(error).__name__)
        return None


def _is_ours(error: Exception) -> bool:
    """Tell whether an error is one of cio_spark, so that its text may be shown."""
    return isinstance(error, CioSparkError)
