"""Measures a sync whose source has changed a little, or not at all, since the last run.

The seconds are compared with a bare scan of the source and with the first run, all in one warm session. Every result is
checked. Alerts are on, as they are by default.
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Callable
from pathlib import Path

from change_report import (
    CHANGED,
    FEW_RUNS,
    FIRST,
    FULL_FEW,
    FULL_HALF,
    FULL_MANY,
    FULL_NOTHING,
    MANY_RUNS,
    NOTHING_NEW,
    TEN_NEW,
    Measured,
    print_report,
)
from history import add_history
from people import GROUPS, People, in_group
from pyspark.sql import SparkSession
from rich.console import Console
from sink import Sink, open_sink
from spark_work import watch_spark

from cio_spark.clock import SystemClock
from cio_spark.errors import CioSparkError
from cio_spark.spark.session import build_session

NEW_ROWS = 10
CHANGED_ROWS = 10_000
WARM_UP_ROWS = 20_000
# Of larger tables, only one first run is measured
MOST_ROWS_FOR_REPEATED_FIRST_RUN = 4_000_000

console = Console(width=160)


class Course:
    """Measures one case after the other on one table, and keeps what it has measured.

    Args:
        people: the table and its sync.
        repeats: how often each case is measured.
    """

    def __init__(self, people: People, repeats: int) -> None:
        self.people = people
        self.repeats = repeats
        self.measured: dict[str, Measured] = {}
        self._clock = SystemClock()
        # Measured runs change the groups from the last one down; runs of the past are written from the first group up
        self._next_group = GROUPS
        self._history = 0

    def measure(self, name: str, prepare: Callable[[], int], *, full: bool = False, repeats: int | None = None) -> None:
        """Measure a case.

        Args:
            name: name of the case.
            prepare: changes the table, and returns the number of records that the next run must send.
            full: compare all rows with the ledger, as a run does that finds a new version and no change feed.
            repeats: how often; None for as often as the other cases.
        """
        measured = self.measured[name] = Measured()
        for _ in range(repeats or self.repeats):
            accepted = prepare()
            if full:
                self.people.touch()
            measured.scans.append(self.people.scan_seconds())
            with watch_spark(self.people.spark, self.people.warehouse) as measured.work:
                began = self._clock.monotonic()
                measured.result = self.people.sync(accepted=accepted, full=full)
                measured.seconds.append(self._clock.monotonic() - began)
            measured.jobs_on_source = measured.work.jobs_on(self.people.source)
            console.print(f"  {name}: {measured.seconds[-1]:.1f} s, bare scan {measured.scans[-1]:.1f} s")

    def run(self, many_runs: int) -> None:
        """Measure all cases.

        Args:
            many_runs: number of runs that have sent half a percent of the people again before the last case.
        """
        people = self.people
        first_runs = self.repeats if people.rows <= MOST_ROWS_FOR_REPEATED_FIRST_RUN else 1
        people.write()
        self.measure(FIRST, self._forget_runs, repeats=first_runs)
        self.measure(NOTHING_NEW, lambda: 0)
        self.measure(TEN_NEW, self._add_rows)
        self.measure(CHANGED, self._change_rows)
        self.measure(FULL_NOTHING, lambda: 0, full=True)
        self.measure(FULL_HALF, self._change_group, full=True)
        self._fill_history(FEW_RUNS)
        self.measure(FULL_FEW, self._change_group, full=True)
        self._fill_history(many_runs)
        self.measure(FULL_MANY, self._change_group, full=True)

    def _forget_runs(self) -> int:
        self.people.forget_runs()
        return self.people.rows

    def _add_rows(self) -> int:
        self.people.add(NEW_ROWS)
        return NEW_ROWS

    def _change_rows(self) -> int:
        """Change rows that are scattered over the whole table."""
        rows = self.people.rows
        step = max(1, rows // CHANGED_ROWS)
        return self.people.change(f"cast(substr(id, 8) AS bigint) % {step} = {len(self.measured[CHANGED].seconds)}")

    def _change_group(self) -> int:
        """Change the rows of a group that no run has sent again yet."""
        self._next_group -= 1
        return self.people.change(in_group(self._next_group))

    def _fill_history(self, runs: int) -> None:
        """Write runs of the past until so many runs have sent half a percent of the people again."""
        done = GROUPS - self._next_group
        result = self.measured[FULL_HALF].result
        assert result is not None
        assert result.plan is not None
        began = self._clock.monotonic()
        missing = range(self._history, runs - done)
        if missing:
            add_history(self.people, missing, files=result.plan.partitions)
            self._history = missing.stop
            console.print(f"  writing {len(missing)} runs of the past took {self._clock.monotonic() - began:.1f} s")


def main() -> None:
    """Warm up on a small table, then measure every size and print a table for each."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sizes", type=int, nargs="+", default=[2_000_000, 10_000_000], help="rows of the table")
    parser.add_argument("--repeats", type=int, default=3, help="of each case; the medians are printed")
    parser.add_argument("--warehouse", type=Path, default=Path(".cio-spark/bench-change/warehouse"))
    chosen = parser.parse_args()
    if chosen.repeats < 1 or min(chosen.sizes) < 1000:
        parser.error("needs at least one repeat, and 1,000 rows")
    warehouse = chosen.warehouse.resolve()
    spark = build_session(warehouse, app_name="cio-spark-bench-change")
    try:
        with open_sink() as sink:
            console.print(f"warm-up with {WARM_UP_ROWS:,} rows, sent to {sink.name}")
            _run(spark, warehouse, sink, WARM_UP_ROWS, 1, FEW_RUNS + 1)
            for rows in chosen.sizes:
                console.print(f"{rows:,} rows, {spark.sparkContext.defaultParallelism} task slots")
                print_report(console, rows, _run(spark, warehouse, sink, rows, chosen.repeats, MANY_RUNS))
    finally:
        spark.stop()


def _run(
    spark: SparkSession, warehouse: Path, sink: Sink, rows: int, repeats: int, many_runs: int
) -> dict[str, Measured]:
    """Measure one size, and remove its tables."""
    clock = SystemClock()
    began = clock.monotonic()
    course = Course(People(spark, warehouse, sink, rows, f"change_{rows}"), repeats)
    course.run(many_runs)
    course.people.forget_runs()
    shutil.rmtree(course.people.source)
    sink.clear()
    console.print(f"  all of this took {clock.monotonic() - began:.0f} s")
    return course.measured


if __name__ == "__main__":
    try:
        main()
    except CioSparkError as error:
        raise SystemExit(str(error)) from None
