"""From judgements to changes of state: an alert opens once and resolves once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from cio_spark.monitoring.alert_rules import Judgement

OPENED = "opened"
RESOLVED = "resolved"


@dataclass(frozen=True)
class AlertEvent:
    """A row of `alerts`.

    Attributes:
        alert_id: sync, type and a number one above the last one: two monitors at a time give one alert one id.
        type, severity, message, sync, run_id, batch_id: of the alert.
        event: opened or resolved.
        at: UTC.
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
    """The opening events of alerts that are not resolved, oldest first."""
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
    """What opens and what resolves.

    An alert whose severity is another now is resolved, and a new one opens.

    Args:
        judgements: the rules' words.
        events: all events of the sync so far.
        sync: its name.
        now: UTC.
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
    """Return the number that ends an alert's id; maintenance may have dropped alerts with smaller ones."""
    number = alert_id.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _event(
    alert_id: str, severity: str, event: str, judgement: Judgement, sync: str, now: datetime, message: str
) -> AlertEvent:
    return AlertEvent(
        alert_id, judgement.type, severity, event, message, sync, judgement.run_id, judgement.batch_id, now
    )
