"""Explains why unchanged rows get other payload bytes than in the last run: a new package version or setting."""

from __future__ import annotations

from collections.abc import Iterator

from cio_spark.config import SyncConfig
from cio_spark.spark.fixed_settings import BYTES_FORMAT, TIME_ZONE, SessionSettings


def reasons_for_changed_bytes(config: SyncConfig, recorded: str | None, now: SessionSettings) -> tuple[str, ...]:
    """Return the reasons why unchanged rows of a sync get other payload bytes than in its last run.

    Args:
        config: configuration of the sync.
        recorded: JSON of the session settings that the newest run recorded; None if it recorded none, and so had
            format 1.
        now: the session settings in force.

    Returns:
        one sentence for each reason, which also says what happens to the records; empty if nothing has changed.
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
    """Yield the reasons for a last run of format 1, whose bytes depended on the settings of its Spark session."""
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
