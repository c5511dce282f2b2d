"""Reads and writes the table `alerts`: an event for each alert that has opened or resolved."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pyspark.sql import functions as F

from cio_spark.clock import as_utc
from cio_spark.results.tables import Tables, lost_the_race


def read_alert_events(tables: Tables, sync: str) -> list[dict[str, Any]]:
    """Read all events of a sync, oldest first, with `at` in UTC.

    Args:
        tables: where the tables are.
        sync: the sync's name.
    """
    if tables.is_untouched("alerts"):
        return []
    # The rows are sorted here, because sorting a few rows in Spark costs two more Spark jobs
    rows = tables.read("alerts").where(F.col("sync") == sync).collect()
    events = [{**row.asDict(), "at": as_utc(row["at"])} for row in rows]
    return sorted(events, key=lambda event: (event["at"], event["alert_id"]))


def append_alert_events(
    tables: Tables, sync: str, events: Sequence[Mapping[str, Any]], *, seen: datetime | None
) -> list[dict[str, Any]]:
    """Append events in one commit, unless somebody has written events of the sync since `seen`.

    Two monitors that have seen the same events use the same transaction number, of which Delta commits only one.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        events: rows of `alerts`.
        seen: time of the newest event that was read; None if there was none.

    Returns:
        All events of the sync after this call, oldest first: with these events, or with those of the faster monitor.
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
    # Nobody was faster: the number was used before, because rows were deleted or another driver's clock is ahead
    tables.append_events("alerts", events)
    return read_alert_events(tables, sync)
