"""Measures the seconds of analyze, monitor, report and explain over millions of generated status rows.

All commands run in one warm session.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from functools import partial
from pathlib import Path

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql.types import StructType
from rich.console import Console
from rich.table import Table

from cio_spark.analysis.reading import analyze_sync, read_view
from cio_spark.analysis.view_queries import VIEWS
from cio_spark.clock import SystemClock
from cio_spark.config import SyncConfig
from cio_spark.explain import Subject
from cio_spark.explain.assemble import explain_subject
from cio_spark.monitoring.check import check_sync
from cio_spark.report.facts import read_facts
from cio_spark.report.page import render_page
from cio_spark.results import Tables, set_up_tables
from cio_spark.results.batch_operations import append_batch_operations
from cio_spark.results.sync_runs import append_events
from cio_spark.schemas import RECORD_STATUS, RUN_COUNTS, struct_of
from cio_spark.spark.session import build_session

RECORDS_PER_BATCH = 1000
RUNS = 10
SYNC = "orders"
FIRST_START = datetime(2026, 3, 1, tzinfo=timezone.utc)
CONFIG = SyncConfig.model_validate(
    {
        "sync": {"name": SYNC},
        "source": {"table": "shop.orders"},
        "payload": {"call": "track", "record_id": "id", "user_id": "id", "event": {"value": "Order Placed"}},
        "tables": {"database": "bench"},
    }
)
console = Console(width=110)


def main() -> None:
    """Generate the rows if they do not exist yet, then time the commands and the views."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000, help="rows of record_status")
    parser.add_argument("--warehouse", type=Path, default=Path(".cio-spark/bench-analysis/warehouse"))
    chosen = parser.parse_args()
    warehouse = chosen.warehouse.resolve() / str(chosen.rows)
    spark = build_session(warehouse, app_name="cio-spark-bench-analysis")
    clock = SystemClock()
    tables = Tables(spark, CONFIG.tables, warehouse)

    def timed(what: Callable[[], object]) -> float:
        began = clock.monotonic()
        what()
        return clock.monotonic() - began

    def read(view: str) -> object:
        return read_view(tables, view).where(F.col("sync") == SYNC).limit(1000).collect()

    try:
        ready = warehouse / "ready"
        if not ready.exists():
            shutil.rmtree(warehouse, ignore_errors=True)
            console.print(f"generating {chosen.rows:,} rows took {timed(lambda: generate(tables, chosen.rows)):.1f} s")
            ready.touch()
        set_up_tables(tables)
        make_source(tables, chosen.rows)
        since = FIRST_START
        table = Table(title=f"{chosen.rows:,} rows of record_status, {RUNS} runs", title_justify="left")
        table.add_column("what")
        table.add_column("first, s", justify="right")
        table.add_column("again, s", justify="right")
        whole: dict[str, Callable[[], object]] = {
            "cio-spark analyze (all tables)": lambda: analyze_sync(tables, SYNC, since=since),
            "cio-spark monitor": lambda: check_sync(CONFIG, tables, clock=clock),
            "cio-spark report": lambda: render_page(read_facts(tables, CONFIG, now=clock.now(), since=since)),
            "cio-spark explain --record": lambda: explain_subject(CONFIG, tables, Subject("record", "654321-7")),
            "cio-spark explain --person": lambda: explain_subject(CONFIG, tables, Subject("person", "p4321")),
            "cio-spark explain --record, unknown": lambda: explain_subject(CONFIG, tables, Subject("record", "nobody")),
        }
        views: dict[str, Callable[[], object]] = {
            f"view {name}": partial(read, name) for name in VIEWS if name != "batch_performance"
        }
        for name, what in (whole | views).items():
            table.add_row(name, f"{timed(what):.1f}", f"{timed(what):.1f}")
        console.print(table)
    finally:
        spark.stop()


def make_source(tables: Tables, rows: int) -> None:
    """Write a source with the records of the last run, which are a tenth of all, if it does not exist yet."""
    assert tables.warehouse is not None
    folder = tables.warehouse / "shop" / "orders"
    if not folder.exists():
        ids = tables.spark.range(0, rows // RUNS, numPartitions=2).select(_record_id(RUNS - 1).alias("id"))
        ids.write.format("delta").save(str(folder))


def _record_id(run: int) -> Column:
    """Return a record id that scatters the rows, so that no file can be skipped by its smallest and largest id."""
    return F.concat(F.reverse(F.col("id").cast("string")), F.lit(f"-{run}"))


def generate(tables: Tables, rows: int) -> None:
    """Write ten runs of equal size, in which 2 % of the records are rejected and 1 % failed.

    Also write what a run writes besides its statuses: its batches and its events.
    """
    set_up_tables(tables)
    per_run = rows // RUNS
    run_ids = [f"01KJ{number:022d}" for number in range(RUNS)]
    for number, run_id in enumerate(run_ids):
        tables.append("record_status", _statuses(tables, run_id, number, per_run))
    append_batch_operations(tables, SYNC, run_ids, error_threshold_percent=5.0, priority="normal", strategy="adaptive")
    events = []
    for number, run_id in enumerate(run_ids):
        start = FIRST_START + timedelta(hours=number)
        counts = dict.fromkeys(RUN_COUNTS, 0) | {"source_rows": per_run, "accepted": per_run}
        events += [
            {"run_id": run_id, "sync": SYNC, "event": "started", "at": start, "run_number": number + 1},
            {"run_id": run_id, "sync": SYNC, "event": "ended", "at": start + timedelta(minutes=10), **counts}
            | {"status": "succeeded", "exit_status": 0, "delivery_seconds": 500.0},
        ]
    append_events(tables, events)


def _statuses(tables: Tables, run_id: str, number: int, rows: int) -> DataFrame:
    """Return the status rows of one run: a batch starts every half second and takes 0.1 to 0.5 s."""
    batch = F.expr(f"id DIV {RECORDS_PER_BATCH}")
    started = F.timestamp_seconds(F.lit(FIRST_START.timestamp() + 3600 * number) + batch * 0.5)
    seconds = F.lit(0.1) + F.abs(F.xxhash64(batch)) % 400 / 1000.0
    kind = F.abs(F.xxhash64("id")) % 100
    facts = {
        "wave": F.lit(0),
        "partition": batch % 16,
        "lane": batch % 4,
        "worker": F.lit("host-1"),
        "started_at": started,
        "completed_at": F.timestamp_micros((F.unix_micros(started) + seconds * 1e6).cast("bigint")),
        "records": F.lit(RECORDS_PER_BATCH),
        "bytes": F.lit(300_000),
        "requests": F.lit(1),
        "attempts": F.lit(1),
        "splits": F.lit(0),
        "request_seconds": seconds,
        "throttled_seconds": F.lit(0.05),
    }
    struct = struct_of(RECORD_STATUS)["batch"].dataType
    assert isinstance(struct, StructType)
    columns = {
        "run_id": F.lit(run_id),
        "sync": F.lit(SYNC),
        "operation_type": F.lit("event_processing"),
        "record_id": _record_id(number),
        "person_key": F.concat(F.lit("p"), (F.col("id") % 500_000).cast("string")),
        "message_id": F.lpad(F.col("id").cast("string"), 26, "0"),
        "payload_hash": F.xxhash64("id"),
        "status": F.when(kind < 1, "failed").when(kind < 3, "rejected").otherwise("accepted"),
        "error_category": F.when(kind < 1, "server").when(kind < 3, "validation"),
        "error_code": F.when(kind < 1, "http_503").when(kind < 3, "http_400"),
        "error_message": F.when(kind < 3, "refused"),
        "http_status": F.when(kind < 1, 503).when(kind < 3, 400).otherwise(200),
        "batch_id": F.concat(F.lit(f"event_processing-{run_id}-w0-"), batch.cast("string")),
        "attempts": F.lit(1),
        "payload_bytes": F.lit(300),
        "attempted_at": started,
        # A run writes the facts of a batch on the first record of the batch, and so do these rows
        "batch": F.when(
            F.col("id") % RECORDS_PER_BATCH == 0,
            F.struct(*[facts.get(f.name, F.lit(None)).cast(f.dataType).alias(f.name) for f in struct.fields]),
        ),
    }
    schema = struct_of(RECORD_STATUS)
    return tables.spark.range(0, rows, numPartitions=2).select(
        *[columns[field.name].cast(field.dataType).alias(field.name) for field in schema.fields]
    )


if __name__ == "__main__":
    main()
