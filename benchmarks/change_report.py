"""Prints what `make bench-change` has measured, beside what is asked for."""

from __future__ import annotations

import statistics
from dataclasses import dataclass, field

from people import HAS_SCOPES
from rich.console import Console
from rich.table import Table
from spark_work import SparkWork

from cio_spark.model import SyncResult

FEW_RUNS, MANY_RUNS = 5, 100
MOST_SECONDS_NOTHING_NEW = 2.5
MOST_AFTER_MANY_RUNS = 1.2
FIRST, NOTHING_NEW, TEN_NEW, CHANGED = "first full run", "nothing new", "ten new rows", "10 k rows changed"
FULL_NOTHING, FULL_HALF = "full, nothing changed", "full, 0.5 % changed"
FULL_FEW, FULL_MANY = f"{FULL_HALF}, {FEW_RUNS} runs", f"{FULL_HALF}, {MANY_RUNS} runs"
# Largest ratios to the bare scan, and to the first run, that are asked for
OF_SCAN = {TEN_NEW: 3.0, FULL_NOTHING: 3.0, FULL_HALF: 4.0}
OF_FIRST = {CHANGED: 0.10}


@dataclass
class Measured:
    """Holds the seconds of each repeat of a case, those of the bare scan just before it, and the last run's facts."""

    seconds: list[float] = field(default_factory=list)
    scans: list[float] = field(default_factory=list)
    work: SparkWork = field(default_factory=SparkWork)
    jobs_on_source: int = 0
    result: SyncResult | None = None

    @property
    def median(self) -> float:
        """Median of the seconds."""
        return statistics.median(self.seconds)

    @property
    def scope(self) -> str:
        """Scope of the last run, if this version of the product has scopes; else an empty text."""
        choice = getattr(self.result, "scope", None)
        return "" if choice is None else str(choice.scope)

    @property
    def of_scan(self) -> float:
        """Median of the ratios to the bare scan."""
        return statistics.median(one / scan for one, scan in zip(self.seconds, self.scans, strict=True))


def print_report(console: Console, rows: int, cases: dict[str, Measured]) -> None:
    """Print a table of one size.

    Args:
        console: the console to print on.
        rows: rows of the source at the first run.
        cases: the cases in the order in which they were measured, by name.
    """
    how = "by the option `full`" if HAS_SCOPES else "in every run"
    table = Table(title=f"{rows:,} rows; everything is compared {how}", title_justify="left")
    table.add_column("case")
    table.add_column("scope")
    for heading in ("s", "slowest", "÷ scan", "÷ first", "asked", "met", "jobs", "on source", "executions", "commits"):
        table.add_column(heading, justify="right")
    first = cases[FIRST].median
    for name, case in cases.items():
        asked, met = _asked(name, cases)
        work = case.work
        figures = (
            f"{case.median:.1f}",
            f"{max(case.seconds):.1f}",
            f"{case.of_scan:.1f}",
            f"{case.median / first:.2f}",
        )
        counts = (len(work.jobs), case.jobs_on_source, len(work.executions), len(work.commits))
        table.add_row(name, case.scope, *figures, asked, met, *map(str, counts))
    console.print(table)
    scan = statistics.median(scan for case in cases.values() for scan in case.scans)
    console.print(f"bare scan {scan:.2f} s; jobs on the source's log count as jobs on the source")


def _asked(name: str, cases: dict[str, Measured]) -> tuple[str, str]:
    """Return what is asked of a case, and whether it is met; empty texts if nothing is asked."""
    case = cases[name]
    if name == NOTHING_NEW:
        met = case.median <= MOST_SECONDS_NOTHING_NEW and not case.jobs_on_source
        asked = f"≤ {MOST_SECONDS_NOTHING_NEW:g} s, no job on source"
    elif name == FULL_MANY:
        ratio = case.median / cases[FULL_FEW].median
        met, asked = ratio <= MOST_AFTER_MANY_RUNS, f"{ratio:.2f} ≤ {MOST_AFTER_MANY_RUNS:g} × {FEW_RUNS} runs"
    elif name in OF_SCAN:
        met, asked = case.of_scan <= OF_SCAN[name], f"≤ {OF_SCAN[name]:g} × scan"
    elif name in OF_FIRST:
        met, asked = case.median <= OF_FIRST[name] * cases[FIRST].median, f"≤ {OF_FIRST[name]:g} × first"
    else:
        return "", ""
    return asked, "yes" if met else "no"
