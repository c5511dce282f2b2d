"""Measures how large the tables become that record what was sent, and how long maintenance takes.

Ids have the form of a UUID, which hardly compresses. The first run sends every row, each later run a hundredth of them.
docs/sizing.md has the figures.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from people import People
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from rich.console import Console
from rich.table import Table
from sink import open_sink

from cio_spark.clock import SystemClock
from cio_spark.errors import CioSparkError
from cio_spark.results import Tables, maintain_tables
from cio_spark.schemas import TABLES
from cio_spark.spark.session import build_session

KEEP_DAYS = 90
RUNS_LATER = 5
SHARE_CHANGED = 100

console = Console(width=120)


class PeopleWithRandomIds(People):
    """Describes people whose ids look random, and are the same whenever a row is made again."""

    def made(self, numbers: DataFrame) -> DataFrame:
        """Make a row of the table for every number."""
        digits = F.md5("id")
        parts = [F.substring(digits, start, length) for start, length in ((1, 8), (9, 4), (13, 4), (17, 4), (21, 12))]
        return super().made(numbers).withColumn("id", F.concat_ws("-", *parts))


@dataclass(frozen=True)
class Size:
    """Holds the size of a table's newest version: its rows, its files, and their bytes."""

    rows: int
    files: int
    bytes: int


def sizes_of(tables: Tables) -> dict[str, Size]:
    """Return the size of each table."""
    sizes = {}
    for name in TABLES:
        detail = tables.spark.sql(f"DESCRIBE DETAIL {tables.name(name)}").collect()[0]
        sizes[name] = Size(tables.read(name).count(), detail["numFiles"], detail["sizeInBytes"])
    return sizes


def print_sizes(title: str, sizes: Mapping[str, Size]) -> None:
    """Print the size of each table, and the bytes of a row."""
    table = Table("table", "rows", "files", "MB", "bytes a row", title=title, title_justify="left")
    for name, size in sizes.items():
        each = f"{size.bytes / size.rows:,.0f}" if size.rows else ""
        table.add_row(name, f"{size.rows:,}", f"{size.files:,}", f"{size.bytes / 1e6:,.1f}", each)
    console.print(table)


def measure(people: People) -> None:
    """Run the sync, maintain its tables, and print sizes after each."""
    clock = SystemClock()
    people.write()
    people.sync(accepted=people.rows)
    print_sizes("after the first run", sizes_of(people.tables))
    for number in range(RUNS_LATER):
        people.sync(accepted=people.change(f"pmod(xxhash64(id), {SHARE_CHANGED}) = {number}"))
    print_sizes(f"after {RUNS_LATER} runs with one of {SHARE_CHANGED} rows changed", sizes_of(people.tables))
    for attempt in ("first", "second"):
        began = clock.monotonic()
        for line in maintain_tables(people.tables, keep_days=KEEP_DAYS, now=clock.now()):
            console.print(f"  {line}")
        console.print(f"the {attempt} maintenance took {clock.monotonic() - began:.1f} s")
    print_sizes("after maintenance", sizes_of(people.tables))


def main() -> None:
    """Measure one size, and remove its tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the source")
    parser.add_argument("--warehouse", type=Path, default=Path(".cio-spark/bench-ledger/warehouse"))
    chosen = parser.parse_args()
    warehouse = chosen.warehouse.resolve()
    spark = build_session(warehouse, app_name="cio-spark-bench-ledger")
    try:
        with open_sink() as sink:
            measure(PeopleWithRandomIds(spark, warehouse, sink, chosen.rows, "ledger_size"))
    finally:
        spark.stop()
        shutil.rmtree(warehouse, ignore_errors=True)


if __name__ == "__main__":
    try:
        main()
    except CioSparkError as error:
        raise SystemExit(str(error)) from None
