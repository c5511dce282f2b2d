"""Measures the throughput of a whole sync and of its delivery.

Both are compared with the floor, which sends nothing, with the official client, and with a Spark job written by hand.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from official_client import Event, send_with_client
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table
from sink import API_KEY, Sink, open_sink
from spark_job import send_with_spark_job

from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.model import SyncResult
from cio_spark.payload import prepare_records
from cio_spark.pipeline import run_sync
from cio_spark.results.tables import holds_delta
from cio_spark.spark.session import build_session

RECORDS_PER_REQUEST = 1000
PARALLEL_WORKERS = 4
RATE_LIMIT_PER_SECOND = 1000
DELIVER = "deliver"
ADAPTIVE, SIZE_BASED = "adaptive", "size_based"
STRATEGIES = (ADAPTIVE, SIZE_BASED)
# The JVM's compiler needs so many rounds (docs/decisions/0007-less-per-row.md); the client needs one round
WARM_UP_ROUNDS = 4
# The number is fixed, so that the plan does not depend on the machine's statistics
FLOOR_PARTITIONS = 8
# Least ratios that are asked for: to the floor, to the client, and to the Spark job written by hand
ASKED = {"delivery": (0.5, 9.0, 2.0), "whole sync": (0.25, 5.0, 1.3)}

console = Console(width=140)


@dataclass
class Measured:
    """Holds records per second of every round, seconds of the syncs' phases, and how full requests were (0 to 1)."""

    floor: list[float] = field(default_factory=list)
    delivery: list[float] = field(default_factory=list)
    size_based: list[float] = field(default_factory=list)
    fill: list[float] = field(default_factory=list)
    sync: list[float] = field(default_factory=list)
    client: list[float] = field(default_factory=list)
    spark_job: list[float] = field(default_factory=list)
    phases: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Course:
    """Describes what all contestants use.

    Attributes:
        spark: one warm session.
        warehouse: folder of local tables.
        sink: the sink that receives the requests.
        events: number of events in the Delta source.
        client_events: the first of these events, in memory, for the official client.
    """

    spark: SparkSession
    warehouse: Path
    sink: Sink
    events: int
    client_events: list[Event]

    @property
    def source(self) -> Path:
        """Folder of the Delta table with the events."""
        return self.warehouse / "bench" / f"events_{self.events}"

    @property
    def rows(self) -> DataFrame:
        """Rows of the source, one for each event."""
        return self.spark.read.format("delta").load(str(self.source))


def main() -> None:
    """Warm up, measure in alternating rounds, and print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000, help="events in the Delta table")
    parser.add_argument("--client-events", type=int, default=100_000, help="events for the official client")
    parser.add_argument("--rounds", type=int, default=3, help="measured rounds after the warm-up")
    parser.add_argument("--warehouse", type=Path, default=Path(".cio-spark/bench/warehouse"))
    chosen = parser.parse_args()
    if not 0 < chosen.client_events <= chosen.events or chosen.rounds < 1:
        parser.error("needs 0 < client events <= events, and at least one round")
    warehouse = chosen.warehouse.resolve()
    spark = build_session(warehouse, app_name="cio-spark-bench")
    try:
        with open_sink() as sink:
            course = Course(spark, warehouse, sink, chosen.events, [])
            generate(course)
            course.client_events.extend(_in_memory(course, chosen.client_events))
            console.print(
                f"{course.events:,} events of {_payload_bytes(course):.0f} B in Delta, sent to {sink.name}; "
                f"rate limit {RATE_LIMIT_PER_SECOND} requests/s, {RECORDS_PER_REQUEST} records a request, "
                f"{PARALLEL_WORKERS} workers, {spark.sparkContext.defaultParallelism} task slots, no compression"
            )
            measured = _measure(course, chosen.rounds)
    finally:
        spark.stop()
    _print_rates(measured)
    _print_phases(measured)


def generate(course: Course) -> None:
    """Write the events once, ten for each person."""
    if holds_delta(course.source):
        return
    console.print(f"writing {course.events:,} events to {course.source}")
    number = F.col("id")
    course.spark.range(0, course.events, 1, FLOOR_PARTITIONS).select(
        F.format_string("order-%09d", number).alias("order_id"),
        F.concat(F.lit("customer-"), F.abs(F.xxhash64(number % max(1, course.events // 10)))).alias("customer_id"),
        F.timestamp_seconds(F.lit(1_750_000_000) + number).alias("ordered_at"),
        (number % 20_000 / 100).cast("decimal(9,2)").alias("amount"),
        (number % 7 + 1).cast("int").alias("quantity"),
        F.concat(F.lit("store-"), number % 400).alias("store"),
        F.element_at(F.array(*map(F.lit, ("grocery", "dairy", "produce"))), (number % 3 + 1).cast("int")).alias(
            "aisle"
        ),
        F.substring(F.sha2(number.cast("string"), 256), 1, 40).alias("receipt"),
    ).write.format("delta").mode("overwrite").save(str(course.source))


def _in_memory(course: Course, count: int) -> list[Event]:
    """Return the first events in the form that the official client needs."""
    rows = course.rows.orderBy("order_id").limit(count).collect()
    names = ("amount", "quantity", "store", "aisle", "receipt")
    events = []
    for row in rows:
        properties = {**{name: row[name] for name in names}, "amount": float(row["amount"]), "currency": "EUR"}
        events.append((row["order_id"], row["customer_id"], "Order Placed", row["ordered_at"], properties))
    return events


def _config(
    course: Course, database: str, sections: Mapping[str, Mapping[str, object]] = MappingProxyType({})
) -> SyncConfig:
    said: dict[str, dict[str, object]] = {
        "sync": {"name": "bench"},
        "source": {"path": str(course.source)},
        "payload": {
            "call": "track",
            "record_id": "order_id",
            "user_id": "customer_id",
            "event": {"value": "Order Placed"},
            "timestamp": "ordered_at",
            "properties": {
                "include": ["amount", "quantity", "store", "aisle", "receipt"],
                "set": {"currency": {"value": "EUR"}},
            },
        },
        "batch": {
            "max_batch_size": RECORDS_PER_REQUEST,
            "parallel_workers": PARALLEL_WORKERS,
            "rate_limit_rps": RATE_LIMIT_PER_SECOND,
            "enable_compression": False,
            # The tables are written with and without monitoring; with it, alerts would read them after the end
            "enable_monitoring": False,
        },
        "api": {"base_url": f"{course.sink.root_url}/v1"},
        "delivery": {},
        "tables": {"database": database},
    }
    return SyncConfig.model_validate({name: {**values, **sections.get(name, {})} for name, values in said.items()})


def _payload_bytes(course: Course) -> float:
    prepared = prepare_records(course.rows.limit(1000), _config(course, "bench").payload)
    return float(prepared.select(F.avg("payload_bytes")).collect()[0][0])


def _measure(course: Course, rounds: int) -> Measured:
    """Measure the contestants one after the other in every round.

    In this way a slow minute of the machine affects all of them.
    """
    measured = Measured()
    for number in range(1 - WARM_UP_ROUNDS, rounds + 1):
        console.print("warm-up" if number < 1 else f"round {number} of {rounds}")
        floor = course.events / _run_floor(course, f"bench_floor_{abs(number)}")
        database = f"bench_sync_{abs(number)}"
        syncs: dict[str, SyncResult] = {}
        fill = 0.0
        # Each strategy goes first in every second round: the second sync finds a warmer session and more garbage
        for strategy in STRATEGIES if number % 2 else reversed(STRATEGIES):
            syncs[strategy] = run_sync_on(course, database, {"batch": {"strategy": strategy}})
            if strategy == ADAPTIVE:
                fill = _fill_of(course, database)
            shutil.rmtree(course.warehouse / database)
        client = len(course.client_events) / send_with_client(
            course.client_events, course.sink, records_per_request=RECORDS_PER_REQUEST
        )
        spark_job = course.events / send_with_spark_job(
            course.rows,
            course.sink,
            events=course.events,
            records_per_request=RECORDS_PER_REQUEST,
            parallel=PARALLEL_WORKERS,
        )
        course.sink.clear()
        if number < 1:
            continue
        measured.floor.append(floor)
        result = syncs[ADAPTIVE]
        measured.delivery.append(course.events / result.delivery_seconds)
        measured.size_based.append(course.events / syncs[SIZE_BASED].delivery_seconds)
        measured.fill.append(fill)
        measured.sync.append(course.events / result.seconds)
        measured.client.append(client)
        measured.spark_job.append(spark_job)
        measured.phases.append(result.phases)
    return measured


def _fill_of(course: Course, database: str) -> float:
    """Return how full requests were on average (0 to 1); the last request of each lane counts too."""
    batches = course.spark.read.format("delta").load(str(course.warehouse / database / "batch_operations"))
    return float(batches.select(F.avg("total_records")).collect()[0][0]) / RECORDS_PER_REQUEST


def _run_floor(course: Course, database: str) -> float:
    """Return the seconds of the least work that a sync must do, without sending anything.

    This work is: make JSON, bring the rows of each person together, and append ids to Delta.
    """
    clock = SystemClock()
    began = clock.monotonic()
    prepared = prepare_records(course.rows, _config(course, database).payload)
    # The hash is computed after the shuffle, so the JSON has to go through the shuffle
    together = prepared.select("record_id", "person_key", "payload").repartition(FLOOR_PARTITIONS, "person_key")
    ids = together.select("record_id", "person_key", F.xxhash64("payload").alias("payload_hash"))
    ids.write.format("delta").mode("append").save(str(course.warehouse / database))
    seconds = clock.monotonic() - began
    shutil.rmtree(course.warehouse / database)
    return seconds


def run_sync_on(
    course: Course, database: str, sections: Mapping[str, Mapping[str, object]] = MappingProxyType({})
) -> SyncResult:
    """Run our sync for the first time, into tables of its own.

    Args:
        course: session, warehouse, sink and source of the run.
        database: database of the tables; the caller removes it after it has read them.
        sections: sections of the configuration to change.
    """
    shutil.rmtree(course.warehouse / database, ignore_errors=True)
    config = _config(course, database, sections)
    result = run_sync(config, spark=course.spark, api_key=ApiKey(API_KEY), warehouse=course.warehouse)
    accepted = result.books.delivery.accepted
    if result.exit_status is not ExitStatus.SUCCESS or accepted != course.events:
        raise SystemExit(f"the sync accepted {accepted:,} of {course.events:,}: {result.message}")
    return result


def _print_rates(measured: Measured) -> None:
    compared = [statistics.median(rates) for rates in (measured.floor, measured.client, measured.spark_job)]
    table = Table(title=f"medians of {len(measured.floor)} round(s)")
    table.add_column("what")
    for heading in ("records/s", "slowest", "fastest", "÷ floor", "asked", "÷ client", "asked", "÷ job", "asked"):
        table.add_column(heading, justify="right")
    for name, rates in {
        "floor (nothing sent)": measured.floor,
        "delivery": measured.delivery,
        "delivery, size_based": measured.size_based,
        "whole sync": measured.sync,
        "official client": measured.client,
        "Spark job by hand": measured.spark_job,
    }.items():
        rate = statistics.median(rates)
        cells = [f"{value:,.0f}" for value in (rate, min(rates), max(rates))]
        for other, least in zip(compared, ASKED.get(name, (None, None, None)), strict=True):
            cells += [f"{rate / other:.2f}", "" if least is None else f"≥ {least:g}"]
        table.add_row(name, *cells)
    console.print(table)
    ratio = statistics.median(a / b for a, b in zip(measured.delivery, measured.size_based, strict=True))
    fill = statistics.median(measured.fill)
    console.print(f"adaptive ÷ size_based: {ratio:.3f} (asked ≥ 0.97); requests {fill:.1%} full (asked ≥ 90 %)")


def _print_phases(measured: Measured) -> None:
    """Print the seconds of each phase, and their sum outside the delivery."""
    table = Table(title="a sync's seconds by phase (medians)")
    table.add_column("phase")
    table.add_column("seconds", justify="right")
    for name in measured.phases[0]:
        seconds = statistics.median(phases.get(name, 0.0) for phases in measured.phases)
        table.add_row(f"{name} (the delivery)" if name == DELIVER else name, f"{seconds:.2f}")
    outside = [sum(value for name, value in phases.items() if name != DELIVER) for phases in measured.phases]
    table.add_row("outside the delivery", f"{statistics.median(outside):.2f}", style="bold")
    console.print(table)


if __name__ == "__main__":
    try:
        main()
    except CioSparkError as error:
        raise SystemExit(str(error)) from None
