"""`sync_runs`: events of runs: started, renewed, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F

from cio_spark.clock import as_utc
from cio_spark.errors import ExitStatus
from cio_spark.model import Books
from cio_spark.results.tables import Tables
from cio_spark.schemas import RUN_COUNTS


@dataclass(frozen=True)
class RunEnd:
    """How a run ended.

    Attributes:
        run_id, sync: which run.
        at: when.
        status: succeeded, failed or lost.
        exit_status: what the command ends with; None for lost runs.
        error: one sentence, None when all went well.
        books: all counts, None where none were made.
        delivery_seconds: the one action that sends.
        ledger_version: version of `record_status` the run was planned on.
    """

    run_id: str
    sync: str
    at: datetime
    status: str
    exit_status: ExitStatus | None
    error: str | None
    books: Books | None = None
    delivery_seconds: float | None = None
    ledger_version: int | None = None

    def event(self) -> dict[str, Any]:
        """The row of `sync_runs`."""
        row: dict[str, Any] = {
            "run_id": self.run_id,
            "sync": self.sync,
            "event": "ended",
            "at": self.at,
            "status": self.status,
            "exit_status": None if self.exit_status is None else int(self.exit_status),
            "error": self.error,
            "delivery_seconds": self.delivery_seconds,
            "ledger_version": self.ledger_version,
        }
        if self.books is not None:
            survey, delivery = self.books.survey, self.books.delivery
            row["throttled_seconds"] = delivery.throttled_seconds
            for name in RUN_COUNTS:
                for part in (delivery, self.books, survey):
                    if hasattr(part, name):
                        row[name] = getattr(part, name)
                        break
        return row


def append_events(
    tables: Tables, events: Sequence[Mapping[str, Any]], *, app_id: str | None = None, app_version: int | None = None
) -> None:
    """Appends events in one commit; columns an event does not name are null."""
    tables.append_events("sync_runs", events, app_id=app_id, app_version=app_version)


def end_run(tables: Tables, end: RunEnd) -> None:
    """Writes a run's end."""
    append_events(tables, [end.event()])


@dataclass(frozen=True)
class ClaimState:
    """What claims need to know of one run.

    Attributes:
        run_id: the run; ids sort by sequence.
        run_number: which run of its sync it is, from 1.
        owner: host and process.
        started_at: when it claimed the sync.
        last_event_at: when it last wrote an event, by its driver's clock.
        expires_at: when the claim ends unless it is renewed.
        ended: whether the run has an end.
        settled: whether it came to its books, or a later run has settled it.
        configuration: JSON of its configuration.
        source_version: the version of the source it had pinned.
        session_settings: JSON of the settings it had fixed; None: it recorded none.
    """

    run_id: str
    run_number: int
    owner: str
    started_at: datetime
    last_event_at: datetime
    expires_at: datetime
    ended: bool
    settled: bool
    configuration: str | None
    source_version: int | None
    session_settings: str | None = None


def claims_of(tables: Tables, sync: str) -> list[ClaimState]:
    """The runs of a sync, oldest first: a few small rows a run, folded here, where a view would cost more to plan."""
    columns = (
        *("run_id", "run_number", "event", "at", "owner", "claim_expires_at"),
        *("delivery_seconds", "configuration", "source_version", "session_settings"),
    )
    rows = tables.read("sync_runs").where(F.col("sync") == sync).select(*columns).collect()
    by_run: dict[str, list[Row]] = {}
    for row in rows:
        by_run.setdefault(row["run_id"], []).append(row)
    states = []
    for run_id, events in sorted(by_run.items()):
        started = next((event for event in events if event["event"] == "started"), None)
        if started is None:
            continue
        states.append(
            ClaimState(
                run_id=run_id,
                run_number=started["run_number"] or 0,
                owner=started["owner"] or "",
                started_at=as_utc(started["at"]),
                last_event_at=max(as_utc(event["at"]) for event in events),
                expires_at=max(as_utc(event["claim_expires_at"]) for event in events if event["claim_expires_at"]),
                ended=any(event["event"] == "ended" for event in events),
                # only an end with books says how long the delivery took
                settled=any(event["event"] == "settled" or event["delivery_seconds"] is not None for event in events),
                configuration=started["configuration"],
                source_version=started["source_version"],
                session_settings=started["session_settings"],
            )
        )
    return states


def last_session_settings(tables: Tables, sync: str) -> tuple[bool, str | None]:
    """Read the settings that the newest run of a sync recorded.

    Args:
        tables: where the tables are; an older package may have made them.
        sync: the sync's name.

    Returns:
        whether there was a run, and the JSON of its settings; None: it recorded none.
    """
    if not tables.exists("sync_runs"):
        return False, None
    runs = tables.read("sync_runs")
    if "session_settings" not in runs.columns:
        runs = runs.withColumn("session_settings", F.lit(None).cast("string"))
    started = runs.where((F.col("sync") == sync) & (F.col("event") == "started"))
    newest = started.orderBy(F.col("run_id").desc()).select("session_settings").head(1)
    return bool(newest), newest[0]["session_settings"] if newest else None


def last_runs(tables: Tables, sync: str | None, limit: int) -> list[Row]:
    """The newest runs, newest first.

    Args:
        tables: where the tables are.
        sync: only this sync's; None: of all.
        limit: how many.
    """
    runs = tables.read("sync_run_state")
    if sync is not None:
        runs = runs.where(F.col("sync") == sync)
    return runs.orderBy(F.col("run_id").desc()).limit(limit).collect()
