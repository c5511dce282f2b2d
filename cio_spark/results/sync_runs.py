"""Reads and writes the table `sync_runs`: the events `started`, `renewed`, `ended` and `settled` of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import tenacity
from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from cio_spark.clock import LARGEST_CLOCK_DIFFERENCE, as_utc
from cio_spark.errors import ExitStatus
from cio_spark.ids import smallest_run_id
from cio_spark.model import Books
from cio_spark.results.tables import Tables
from cio_spark.results.views import read_state
from cio_spark.schemas import RUN_COUNTS
from cio_spark.spark import failures as spark_errors

NEWEST = timedelta(days=7)
"""Claims read the runs of the last seven days first."""
MOST_TRIES = 5
"""Most tries of an append that fails because somebody adds a column to the table."""


@dataclass(frozen=True)
class RunEnd:
    """Describes how a run ended.

    Attributes:
        run_id, sync: id of the run and its sync.
        at: time of the end.
        status: succeeded, failed, cancelled, lost or taken_over.
        exit_status: exit status of the command; None for lost runs.
        error: one sentence; None if all went well.
        books: all counts; None if none were made.
        delivery_seconds: seconds of the actions that send; None if a later run must recover this one.
        ledger_version: version of `record_status` on which the run was planned.
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
        """Return the row of `sync_runs`."""
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


def _is_harmless(error: BaseException) -> bool:
    """Tell whether an append failed only because somebody changed the table's columns: then nothing was committed."""
    return spark_errors.error_class(error).startswith(("DELTA_METADATA_CHANGED", "DELTA_PROTOCOL_CHANGED"))


@tenacity.retry(
    retry=tenacity.retry_if_exception(_is_harmless), stop=tenacity.stop_after_attempt(MOST_TRIES), reraise=True
)
def append_events(
    tables: Tables, events: Sequence[Mapping[str, Any]], *, app_id: str | None = None, app_version: int | None = None
) -> None:
    """Append events in one commit; columns that an event does not name are null."""
    tables.append_events("sync_runs", events, app_id=app_id, app_version=app_version)


def end_run(tables: Tables, end: RunEnd) -> None:
    """Write the end of a run."""
    append_events(tables, [end.event()])


@dataclass(frozen=True)
class ClaimState:
    """Holds what claims need to know about one run.

    Times are commit times of the storage: the clocks of drivers differ, so only time spans are taken from them.

    Attributes:
        run_id: id of the run; ids sort by the sequence of runs.
        sync: its sync.
        run_number: number of the run among the runs of its sync, from 1.
        owner: host and process.
        job_attempt: `job run/task/execution count` of a task of a Databricks job; None elsewhere.
        started_at: when it claimed the sync, by its driver's clock.
        last_event_at: when it last committed an event.
        expires_at: when another run may take the sync over, unless the claim is renewed.
        send_until: when its last wave stops sending.
        ended: whether the run has an end.
        settled: whether nothing of it is left to recover: it sent nothing, made its books, or was recovered.
        settled_others: whether it made its books as a sync does, and so has recovered all runs before it.
        configuration: JSON of its configuration.
        source_version: version of the source that it had pinned.
        taken_over_run: id of the run that this one only stands for, see `claims.register_taken_over`; None if it stands
            for itself.
        taken_over_wave: number of the wave that the taken-over run has sent.
        session_settings: JSON of the settings that it had fixed; None if it recorded none.
    """

    run_id: str
    sync: str
    run_number: int
    owner: str
    job_attempt: str | None
    started_at: datetime
    last_event_at: datetime
    expires_at: datetime
    send_until: datetime
    ended: bool
    settled: bool
    settled_others: bool
    configuration: str | None
    source_version: int | None
    taken_over_run: str | None
    taken_over_wave: int | None
    session_settings: str | None = None


_CLAIM_COLUMNS = (
    *("run_id", "sync", "run_number", "event", "at", "owner", "claim_expires_at", "send_until", "job_attempt"),
    *("taken_over_run", "taken_over_wave", "delivery_seconds", "ledger_version", "configuration", "source_version"),
    "session_settings",
)


def claims_of(tables: Tables, sync: str, now: datetime) -> list[ClaimState]:
    """Read the runs of a sync that matter for a claim, oldest first.

    The runs of the last days are enough if one of them has recovered all runs before it: a sync may have run many
    thousand times. The few small rows are folded here, because a view would cost more to plan.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        now: this driver's time.
    """
    recent = _fold(_events(tables, F.col("sync") == sync, F.col("run_id") >= smallest_run_id(now - NEWEST)))
    if any(run.settled_others for run in recent):
        return recent
    return _fold(_events(tables, F.col("sync") == sync))


def open_runs(tables: Tables, now: datetime) -> list[ClaimState]:
    """Read the runs of all syncs that started in the last days and have no end.

    Args:
        tables: where the tables are.
        now: this driver's time.
    """
    runs = _fold(_events(tables, F.col("run_id") >= smallest_run_id(now - NEWEST)))
    return [run for run in runs if not run.ended]


def has_ended(tables: Tables, sync: str, run_id: str) -> bool:
    """Tell whether a run has an end; another run writes it in the commit by which it takes the sync over."""
    mine = tables.read("sync_runs").where((F.col("sync") == sync) & (F.col("run_id") == run_id))
    return not mine.where(F.col("event") == "ended").limit(1).isEmpty()


def _events(tables: Tables, *conditions: Column) -> list[Row]:
    rows = tables.read("sync_runs")
    # Columns of a newer package are missing until it sets up the tables; until then they are read as null
    there = set(rows.columns)
    columns = [F.col(name) if name in there else F.lit(None).alias(name) for name in _CLAIM_COLUMNS]
    committed = F.col("_metadata.file_modification_time").alias("committed_at")
    return rows.where(reduce(lambda one, other: one & other, conditions)).select(*columns, committed).collect()


def _fold(rows: Sequence[Row]) -> list[ClaimState]:
    by_run: dict[str, list[Row]] = {}
    for row in rows:
        by_run.setdefault(row["run_id"], []).append(row)
    states = []
    for run_id, events in sorted(by_run.items()):
        started = next((event for event in events if event["event"] == "started"), None)
        if started is None:
            continue
        ended = [event for event in events if event["event"] == "ended"]
        states.append(
            ClaimState(
                run_id=run_id,
                sync=started["sync"],
                run_number=started["run_number"] or 0,
                owner=started["owner"] or "",
                job_attempt=started["job_attempt"],
                started_at=as_utc(started["at"]),
                last_event_at=max(_committed_at(event) for event in events),
                expires_at=_latest(events, "claim_expires_at"),
                send_until=_latest(events, "send_until"),
                ended=bool(ended),
                # only an end with books, or of a run that sent nothing, has `delivery_seconds`
                settled=any(event["event"] == "settled" or event["delivery_seconds"] is not None for event in events),
                settled_others=any(event["ledger_version"] is not None for event in ended),
                configuration=started["configuration"],
                source_version=started["source_version"],
                taken_over_run=started["taken_over_run"],
                taken_over_wave=started["taken_over_wave"],
                session_settings=started["session_settings"],
            )
        )
    return states


def _committed_at(event: Row) -> datetime:
    """Return when an event was committed: the time of its file, unless maintenance has rewritten it much later."""
    return min(as_utc(event["committed_at"]), as_utc(event["at"]) + LARGEST_CLOCK_DIFFERENCE)


def _latest(events: Sequence[Row], name: str) -> datetime:
    """Find the latest time that events name, each counted from its commit; if none names one, the first commit."""
    named = [event for event in events if event[name] is not None]
    times = [_committed_at(event) + (as_utc(event[name]) - as_utc(event["at"])) for event in named]
    return max(times, default=min(map(_committed_at, events)))


def newest_run(tables: Tables, sync: str) -> ClaimState | None:
    """Read the newest run of a sync; return None if there is none, or if there are no tables."""
    if not tables.exists("sync_runs"):
        return None
    mine = F.col("sync") == sync
    started = tables.read("sync_runs").where(mine & (F.col("event") == "started"))
    if "taken_over_run" in started.columns:  # a run that only stands for another run repeats its facts
        started = started.where(F.col("taken_over_run").isNull())
    newest = started.agg(F.max("run_id").alias("run_id")).collect()[0]["run_id"]
    runs = _fold(_events(tables, mine, F.col("run_id") == newest)) if newest else []
    return runs[0] if runs else None


def last_runs(tables: Tables, sync: str | None, limit: int) -> list[Row]:
    """Read the newest runs, newest first.

    Args:
        tables: where the tables are.
        sync: sync whose runs are read; None for those of all syncs.
        limit: most runs to read.
    """
    runs = read_state(tables, "sync_run_state")
    if sync is not None:
        runs = runs.where(F.col("sync") == sync)
    return runs.orderBy(F.col("run_id").desc()).limit(limit).collect()
