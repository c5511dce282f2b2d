"""Reads and writes the table `sync_runs`: the events `started`, `renewed`, `ended` and `settled` of runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import reduce
from typing import Any

import tenacity
from pyspark.sql import Column, Row
from pyspark.sql import functions as F

from cio_spark.coverage import Coverage, ScopeChoice
from cio_spark.errors import ExitStatus
from cio_spark.ids import smallest_run_id
from cio_spark.model import Books
from cio_spark.results.run_states import EVENT_COLUMNS, RunState, fold_events
from cio_spark.results.tables import Tables
from cio_spark.results.views import read_state
from cio_spark.schemas import RUN_COUNTS
from cio_spark.spark import failures as spark_errors
from cio_spark.spark.delta_table import known_version
from cio_spark.spark.versions import to_arrow

NEWEST = timedelta(days=7)
"""Claims read the runs of the last seven days first."""
ENOUGH_RUNS = 20
"""Number of runs whose history is enough for the alert rules."""
FEW_COMMITS = 1_000
"""A table of so few commits is read whole: each has at most a few rows."""
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
        scope: what the run looked at, and why; None if that was not decided.
        coverage: the source rows that the sync has covered by this run; None if the run changes nothing about that.
        facts: what the run says about itself, if it has written no start.
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
    scope: ScopeChoice | None = None
    coverage: Coverage | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def event(self) -> dict[str, Any]:
        """Return the row of `sync_runs`."""
        row: dict[str, Any] = {
            **self.facts,
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
        if self.scope is not None:
            choice = self.scope
            row |= {"scope": choice.scope.value, "scope_reason": choice.reason, "fell_back": choice.falls_back}
        if self.coverage is not None:
            row["covered_version"], row["coverage"] = self.coverage.version, self.coverage.to_json()
        if self.books is not None:
            survey, delivery = self.books.survey, self.books.delivery
            row["throttled_seconds"], row["gone"] = delivery.throttled_seconds, survey.gone
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


def end_run(tables: Tables, end: RunEnd, settled: Sequence[str] = ()) -> list[dict[str, Any]]:
    """Write the end of a run, and that it has recovered other runs, in one commit.

    Args:
        tables: where the tables are.
        end: the end.
        settled: ids of lost runs whose records in doubt the run has written down.

    Returns:
        The events.
    """
    events = [{"run_id": run_id, "sync": end.sync, "event": "settled", "at": end.at} for run_id in settled]
    events.append(end.event())
    append_events(tables, events)
    return events


class RunHistory:
    """Keeps the events of a sync's runs as they were read, and those that this process has appended since.

    Args:
        rows: events that were read, with `committed_at`.
        version: version that `sync_runs` had before they were read; None if it is not known.

    Attributes:
        runs: the states of the runs, oldest first.
        version: as given.
    """

    def __init__(self, rows: Sequence[Mapping[str, Any]], version: int | None = None) -> None:
        self._rows = list(rows)
        self.runs = fold_events(self._rows)
        self.version = version

    def add(self, events: Sequence[Mapping[str, Any]], committed_at: datetime) -> None:
        """Add events that this process has appended.

        Args:
            events: the events.
            committed_at: when they were committed.
        """
        self._rows += [{**event, "committed_at": committed_at} for event in events]
        self.runs = fold_events(self._rows)

    @property
    def newest(self) -> RunState | None:
        """Return the newest run except those that only stand for another run and repeat its facts; None if none."""
        return next((run for run in reversed(self.runs) if run.taken_over_run is None), None)


def read_history(tables: Tables, sync: str, now: datetime) -> RunHistory:
    """Read the events of a sync that matter for a claim, for its scope and for its alerts.

    A sync may have run many thousand times. Then the runs of the last days are enough, if they are many and one of them
    has recovered all runs before it. The few small rows are folded here, because a view would cost more to plan.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        now: this driver's time.
    """
    version = known_version(tables.spark, tables.name("sync_runs"))
    if version is None or version > FEW_COMMITS:
        newest = F.col("run_id") >= smallest_run_id(now - NEWEST)
        recent = RunHistory(_events(tables, F.col("sync") == sync, newest), version)
        runs = recent.runs
        if len(runs) >= ENOUGH_RUNS and any(run.settled_others for run in runs):
            return recent
    return RunHistory(_events(tables, F.col("sync") == sync), version)


def open_runs(tables: Tables, now: datetime) -> list[RunState]:
    """Read the runs of all syncs that started in the last days and have no end.

    Args:
        tables: where the tables are.
        now: this driver's time.
    """
    runs = fold_events(_events(tables, F.col("run_id") >= smallest_run_id(now - NEWEST)))
    return [run for run in runs if not run.ended]


def has_ended(tables: Tables, sync: str, run_id: str) -> bool:
    """Tell whether a run has an end; another run writes it in the commit by which it takes the sync over."""
    mine = tables.read("sync_runs").where((F.col("sync") == sync) & (F.col("run_id") == run_id))
    return not mine.where(F.col("event") == "ended").limit(1).isEmpty()


def _events(tables: Tables, *conditions: Column) -> list[dict[str, Any]]:
    rows = tables.read("sync_runs")
    # Columns of a newer package are missing until it sets up the tables; until then they are read as null
    there = set(rows.columns)
    columns = [F.col(name) if name in there else F.lit(None).alias(name) for name in EVENT_COLUMNS]
    committed = F.col("_metadata.file_modification_time").alias("committed_at")
    found = rows.where(reduce(lambda one, other: one & other, conditions)).select(*columns, committed)
    events: list[dict[str, Any]] = to_arrow(found).to_pylist()
    return events


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
