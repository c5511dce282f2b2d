"""Says why a run writes other bytes than the last run of its sync: by another package or setting, not other rows."""

from __future__ import annotations

from collections.abc import Iterator

from cio_spark.config import SyncConfig
from cio_spark.spark.fixed_settings import BYTES_FORMAT, TIME_ZONE, SessionSettings


def bytes_changes(config: SyncConfig, recorded: str | None, now: SessionSettings) -> tuple[str, ...]:
    """Tell what makes unchanged rows of a sync other bytes than in its last run.

    Args:
        config: the sync.
        recorded: what its newest run recorded of its settings; None: nothing, so it had format 1.
        now: the settings in force.

    Returns:
        a sentence for each cause, with what becomes of the records; none where nothing has changed.
    """
    then = SessionSettings.from_json(recorded)
    causes = list(_of_format_2(config, now)) if then.bytes_format < BYTES_FORMAT else list(_of_settings(then, now))
    outcome = (
        "records whose bytes change by it are sent once more"
        if config.on_change == "send"
        else "records whose bytes change by it count as changed, and are not sent again (on_change: ignore)"
    )
    return tuple(f"{cause}: {outcome}" for cause in causes)


def _of_format_2(config: SyncConfig, now: SessionSettings) -> Iterator[str]:
    """Find the causes since format 1, in which the session's own settings decided."""
    payload = config.payload
    for name in ("properties", "traits", "context"):
        mapping = getattr(payload, name)
        if mapping is not None and mapping.include == "*":
            yield f'payload.{name}: the fields of include: "*" now stand in the order of their names'
    for name in ("properties_from", "traits_from"):
        if getattr(payload, name) is not None:
            yield f"payload.{name}: numbers of JSON text now keep their digits (1.50 was 1.5)"
    for name, own in now.replaced.items():
        hint = "; payload.time_zone sets another" if name == TIME_ZONE else ""
        yield f"{name} is now {now.values[name]} in every run, this session's {own} decided before{hint}"


def _of_settings(then: SessionSettings, now: SessionSettings) -> Iterator[str]:
    for name, value in now.values.items():
        if (before := then.values.get(name)) is not None and before.lower() != value.lower():
            yield f"{name} was {before} in the last run, and is {value} now"
