"""One look at a sync: observe, judge, write down what changed, tell the webhook."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace

import structlog

from cio_spark.clock import Clock
from cio_spark.config import SyncConfig, WebhookUrl
from cio_spark.errors import CioSparkError
from cio_spark.monitoring.alerts import OPENED, RESOLVED, AlertEvent, changes, open_alerts
from cio_spark.monitoring.health import Health, status_of
from cio_spark.monitoring.observing import observe_sync
from cio_spark.monitoring.rules import judge_sync
from cio_spark.monitoring.webhook import Post, post, tell
from cio_spark.results import Tables
from cio_spark.results.alerts import append_alert_events, read_alert_events


def check_sync(
    config: SyncConfig,
    tables: Tables,
    *,
    clock: Clock,
    minutes: int | None = None,
    webhook: WebhookUrl | None = None,
    send: Post = post,
) -> Health:
    """Evaluates the alerts of a sync and writes down what opened and what resolved.

    With a window of another length than the configuration's it only looks: the run's own check and this one would
    otherwise open and resolve in turn.

    Args:
        config: the sync.
        tables: where the tables are; they must exist.
        clock: time.
        minutes: length of the window; None: the configuration's.
        webhook: whom to tell of changes; None: nobody.
        send: makes one exchange with the webhook.
    """
    now, sync = clock.now(), config.sync.name
    observed = observe_sync(tables, config, now=now, minutes=minutes)
    before = [AlertEvent(**row) for row in read_alert_events(tables, sync)]
    found = changes(judge_sync(observed, config), before, sync=sync, now=now)
    events = before
    if minutes is not None and minutes != config.monitoring.window_minutes:
        found = []
    if found:
        seen = max((event.at for event in before), default=None)
        written = append_alert_events(tables, sync, [asdict(event) for event in found], seen=seen)
        events = [AlertEvent(**row) for row in written]
    # Another monitor may have been quicker: then its events stand, and it tells of them
    mine = [event for event in found if event in events]
    still_open = open_alerts(events)
    health = Health(
        sync=sync,
        status=status_of(observed, still_open, config.error_threshold_percent),
        observed=observed,
        opened=tuple(event for event in mine if event.event == OPENED),
        resolved=tuple(event for event in mine if event.event == RESOLVED),
        open_alerts=tuple(still_open),
    )
    return replace(health, webhook=tell(webhook, mine, clock, send)) if webhook is not None and mine else health


def check_after_run(
    config: SyncConfig,
    tables: Tables,
    *,
    clock: Clock,
    find_webhook: Callable[[SyncConfig], WebhookUrl | None],
) -> Health | None:
    """`check_sync` at the end of a sync with `enable_monitoring`: never raises, for the sync's own outcome counts.

    Args:
        config: the sync.
        tables: where the tables are.
        clock: time.
        find_webhook: gives whom to tell; `runtime.find_webhook`.

    Returns:
        How the sync is; None where monitoring is off, or failed (then a warning is logged).
    """
    if not config.batch.enable_monitoring:
        return None
    logger = structlog.get_logger("monitoring").bind(sync=config.sync.name)
    try:
        webhook = find_webhook(config)
    except Exception as error:  # the table is the truth, and can do without
        logger.warning("No webhook to tell of alerts", error=str(error) if _is_ours(error) else type(error).__name__)
        webhook = None
    try:
        return check_sync(config, tables, clock=clock, webhook=webhook)
    except Exception as error:  # whatever it is: the rows are sent and the books written
        logger.warning("Alerts could not be evaluated", error=type(error).__name__)
        return None


def _is_ours(error: Exception) -> bool:
    """Whether its text is fit to be shown."""
    return isinstance(error, CioSparkError)
