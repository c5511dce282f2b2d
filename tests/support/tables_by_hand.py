"""Writes rows directly into the tables, so that what is read from them can be computed by hand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import SparkSession

from cio_spark.config.sections import TablesSection
from cio_spark.results import Tables, set_up_tables
from cio_spark.spark.versions import from_arrow, to_arrow

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def at(seconds: float) -> datetime:
    """Return the time so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def batch(sync: str, run: str, number: int, **fields: Any) -> dict[str, Any]:
    """Return a row of `batch_operations`.

    `start` and `stop` are seconds after noon; fields with unknown names go into `metadata`.
    """
    start, stop = fields.pop("start", 0.0), fields.pop("stop", 1.0)
    total, failed = fields.pop("total", 100), fields.pop("failed", 0)
    seconds = stop - start
    row = {
        "job_id": run,
        "batch_id": f"{sync}-{run}-{number}",
        "operation_type": fields.pop("operation_type", "event_processing"),
        "status": fields.pop("status", "failed" if failed else "completed"),
        "total_records": total,
        "processed_records": total - failed,
        "failed_records": failed,
        "processing_time_seconds": seconds,
        "throughput_rps": (total - failed) / seconds if seconds > 0 else 0.0,
        "error_rate_percent": 100.0 * failed / total,
        "started_at": at(start),
        "completed_at": at(stop),
    }
    usual = {"requests": 1, "attempts": 1, "splits": 0, "bytes": 30_000, "request_seconds": max(seconds, 0.0)}
    usual |= {"wave": 0, "partition": 0, "lane": 0, "throttled_seconds": 0.0}
    return {**row, "metadata": {key: str(value) for key, value in {"sync": sync, **usual, **fields}.items()}}


def status(sync: str, run: str, record: str, state: str = "accepted", **fields: Any) -> dict[str, Any]:
    """Return a row of `record_status`."""
    row = {"sync": sync, "run_id": run, "record_id": record, "status": state, "operation_type": "event_processing"}
    return {**row, "payload_hash": 1, "message_id": f"m-{record}", "attempts": 1, **fields}


def facts(start: float, stop: float, **fields: Any) -> dict[str, Any]:
    """Return the `batch` struct of rows of `record_status`."""
    usual = {"wave": 0, "partition": 0, "lane": 0, "requests": 1, "attempts": 1, "splits": 0, "bytes": 300}
    times = {"started_at": at(start), "completed_at": at(stop), "request_seconds": stop - start}
    return {**usual, **times, "throttled_seconds": 0.0, **fields}


def started(sync: str, run: str, second: float, **fields: Any) -> dict[str, Any]:
    """Return the first event of a run."""
    row = {"sync": sync, "run_id": run, "run_number": 1, "event": "started", "status": "running", "at": at(second)}
    return {**row, "claim_expires_at": at(second + 900), "source": "shop.orders", **fields}


def ended(sync: str, run: str, second: float, rows: int = 100, **fields: Any) -> dict[str, Any]:
    """Return the last event of a run, which by default accepted every source row."""
    row = {"sync": sync, "run_id": run, "event": "ended", "at": at(second), "exit_status": 0, "status": "succeeded"}
    states = ("invalid", "rejected", "failed", "not_attempted", "unchanged", "changed_ignored", "held")
    counts = dict.fromkeys((*states, "superseded", "not_started", "in_doubt"), 0)
    return {**row, "delivery_seconds": 1.0, "source_rows": rows, "accepted": rows, **counts, **fields}


@dataclass(frozen=True)
class ByHand:
    """Gives access to the tables of the tests' database."""

    spark: SparkSession
    warehouse: Path

    @property
    def tables(self) -> Tables:
        return Tables(self.spark, TablesSection(database="tests"), self.warehouse)

    def set_up(self) -> ByHand:
        set_up_tables(self.tables)
        return self

    def write(self, table: str, rows: Sequence[dict[str, Any]]) -> None:
        schema = to_arrow(self.tables.read(table).limit(0)).schema
        frame = from_arrow(self.spark, pa.Table.from_pylist(list(rows), schema))
        self.tables.append(table, frame.coalesce(1))
