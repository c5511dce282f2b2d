"""Turns judgements into alert events: an alert opens once and resolves once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cio_spark.monitoring.alert_rules import Judgement

OPENED = "opened"
RESOLVED = "resolved"


@dataclass(frozen=True)
class AlertEvent:
    """Describes a row of the table `alerts`.

    Attributes:
        alert_id: sync, type and the next number of the type, so that two monitors give the same alert the same id.
        type, severity, message, sync, run_id, batch_id: facts of the alert.
        event: opened or resolved.
        at: time of the event, in UTC.
    """

    alert_id: str
    type: str
    severity: str
    event: str
    message: str
    sync: str
    run_id: str | None
    batch_id: str | None
    at: datetime


def open_alerts(events: Iterable[AlertEvent]) -> list[AlertEvent]:
    """Return the opening events of the alerts that are not resolved, oldest first."""
    state: dict[str, AlertEvent] = {}
    resolved: set[str] = set()
    for event in events:
        if event.event == OPENED:
            state.setdefault(event.alert_id, event)
        else:
            resolved.add(event.alert_id)
    return sorted((event for name, event in state.items() if name not in resolved), key=lambda event: event.at)


def changes(
    judgements: Iterable[Judgement], events: Sequence[AlertEvent], *, sync: str, now: datetime
) -> list[AlertEvent]:
    """Return the events of alerts that now open or resolve.

    If the severity of an open alert has changed, the alert is resolved and a new one opens.

    Args:
        judgements: results of the alert rules.
        events: all alert events of the sync so far.
        sync: name of the sync.
        now: present time in UTC.
    """
    still_open = {(event.type, event.severity): event for event in open_alerts(events)}
    numbers: dict[str, int] = {}
    for event in events:
        numbers[event.type] = max(numbers.get(event.type, 0), _number_of(event.alert_id))
    found: list[AlertEvent] = []
    for judgement in judgements:
        if judgement.holds is None:
            continue
        for (kind, severity), event in still_open.items():
            if kind == judgement.type and not (judgement.holds and severity == judgement.severity):
                found.append(_event(event.alert_id, event.severity, RESOLVED, judgement, sync, now, event.message))
        if judgement.holds and (judgement.type, judgement.severity) not in still_open:
            alert_id = f"{sync}-{judgement.type}-{numbers.get(judgement.type, 0) + 1}"
            found.append(_event(alert_id, judgement.severity, OPENED, judgement, sync, now, judgement.message))
    return found


def _number_of(alert_id: str) -> int:
    """Return the number at the end of an alert id; 0 if it has none.

    Alerts cannot simply be counted: maintenance may have deleted those with smaller numbers.
    """
    number = alert_id.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _event(
    alert_id: str, severity: str, event: str, judgement: Judgement, sync: str, now: datetime, message: str
) -> AlertEvent:
    return AlertEvent(
        alert_id, judgement.type, severity, event, message, sync, judgement.run_id, judgement.batch_id, now
    )
