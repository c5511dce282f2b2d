"""`alerts`: what opened and what resolved, as events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import functions as F

from cio_spark.clock import as_utc
from cio_spark.results.tables import Tables, lost_the_race


def read_alert_events(tables: Tables, sync: str) -> list[dict[str, Any]]:
    """All events of a sync, oldest first; `at` in UTC.

    Args:
        tables: where the tables are.
        sync: its name.
    """
    # Sorted here: in Spark, sorting a few rows costs two more jobs
    rows = tables.read("alerts").where(F.col("sync") == sync).collect()
    events = [{**row.asDict(), "at": as_utc(row["at"])} for row in rows]
    return sorted(events, key=lambda event: (event["at"], event["alert_id"]))


def append_alert_events(
    tables: Tables, sync: str, events: Sequence[Mapping[str, Any]], *, seen: datetime | None
) -> list[dict[str, Any]]:
    """Appends events in one commit, unless somebody has written events of the sync since `seen`.

    Two monitors that have seen the same carry the same transaction number, of which Delta commits one.

    Args:
        tables: where the tables are.
        sync: its name.
        events: rows of `alerts`.
        seen: time of the newest event that was read; None: there was none.

    Returns:
        All events of the sync as they are then, oldest first: with these, or with those of whoever was quicker.
    """
    version = 0 if seen is None else int(seen.timestamp() * 1_000_000) + 1
    try:
        tables.append_events("alerts", events, app_id=f"alerts-{sync}", app_version=version)
    except Exception as error:
        if not lost_the_race(error):
            raise
    ours = {(event["alert_id"], event["event"], event["at"]) for event in events}
    there = read_alert_events(tables, sync)
    written = ours & {(event["alert_id"], event["event"], event["at"]) for event in there}
    if written or max((event["at"] for event in there), default=None) != seen:
        return there
    # Nobody was quicker: the number was used before, for rows were deleted, or another driver's clock is ahead
    tables.append_events("alerts", events)
    return read_alert_events(tables, sync)
