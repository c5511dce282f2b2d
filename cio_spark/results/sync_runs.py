"""`sync_runs`: events of runs: started, renewed, ended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F

from cio_spark.errors import ExitStatus
from cio_spark.model import Books
from cio_spark.results.tables import Tables
from cio_spark.schemas import RUN_COUNTS, SYNC_RUNS, struct_of


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
    """

    run_id: str
    sync: str
    at: datetime
    status: str
    exit_status: ExitStatus | None
    error: str | None
    books: Books | None = None
    delivery_seconds: float | None = None

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
    schema = struct_of(SYNC_RUNS)
    values = [tuple(event.get(name) for name in schema.fieldNames()) for event in events]
    rows = tables.spark.createDataFrame(values, schema).coalesce(1)
    tables.append("sync_runs", rows, app_id=app_id, app_version=app_version)


def end_run(tables: Tables, end: RunEnd) -> None:
    """Writes a run's end."""
    append_events(tables, [end.event()])


def runs_of(tables: Tables, sync: str) -> list[Row]:
    """The runs of a sync as `sync_run_state` shows them, oldest first."""
    return tables.read("sync_run_state").where(F.col("sync") == sync).orderBy("run_id").collect()


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
