"""Prints the result of a sync under attack as a table, and tells whether all promises were kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

# audit is in tests/support, because tests/cluster uses it too; `make chaos` puts that folder on the import path
from audit import Arrivals, Ledger
from rich.console import Console
from rich.table import Table

from cio_spark.standin import StandIn


@dataclass(frozen=True)
class Findings:
    """Holds what is reported.

    Attributes:
        source_rows: number of rows of the source.
        lost: ids of records that are neither rejected nor arrived as accepted.
        poison: ids of the records that must be rejected; no other record may be rejected.
        arrivals: what the stand-in received.
        books: what the tables say.
        api: the stand-in.
        runs: one line for each run that says how it ended.
    """

    source_rows: int
    lost: Collection[str]
    poison: Collection[str]
    arrivals: Arrivals
    books: Ledger
    api: StandIn
    runs: Sequence[str]


def print_report(console: Console, findings: Findings, *, parallel_workers: int, rate_limit: int) -> bool:
    """Print the table of findings and a line for each run.

    Args:
        console: console to print to.
        findings: what to print.
        parallel_workers: most requests that may be in flight.
        rate_limit: most requests that may be made per second.

    Returns:
        True if everything is as it must be.
    """
    arrivals, books, traffic = findings.arrivals, findings.books, findings.api.traffic
    answers = findings.api.received.summary()["requests_by_status"]
    over = findings.api.received.over_limit()
    others = sum(count for state, count in books.states.items() if state not in ("accepted", "rejected"))
    report = _Report(f"{findings.source_rows:,} records under attack, {len(findings.runs)} runs")
    report.line("source rows", findings.source_rows)
    report.line("accepted", books.states.get("accepted", 0))
    report.line("rejected", books.states.get("rejected", 0), least=len(findings.poison), most=len(findings.poison))
    report.line("in any other state", others, most=0)
    report.line("rejected, but no poison", len(set(books.rejected) - set(findings.poison)), most=0)
    report.line("lost", len(findings.lost), most=0)
    report.line("runs whose books do not balance", len(books.unbalanced), most=0)
    report.line("incremental runs", sum(row["scope"] == "incremental" for row in books.runs), least=1)
    report.section()
    report.line("requests", sum(answers.values()))
    for answer, count in answers.items():
        report.line(f"  {answer}", count)
    report.line("messages received", arrivals.messages)
    report.line("duplicates with equal message ids", arrivals.duplicates)
    report.line("duplicates with unequal message ids", len(arrivals.unequal_ids), most=0)
    report.section()
    report.line("items over 32,000 bytes", over.items, most=0)
    report.line("bodies over 500,000 bytes", over.bodies, most=0)
    report.line("most requests in any 3 s", traffic.max_in_any_window(), most=3 * rate_limit)
    report.line("most requests in flight", traffic.max_in_flight, most=parallel_workers)
    report.line("persons out of order", len(arrivals.disordered), most=0)
    report.line("persons with older over newer", len(arrivals.overwritten), most=0)
    report.line("persons with two requests in flight", len(traffic.overlapping_persons), most=0)
    console.print(report.table)
    for number, run in enumerate(findings.runs, 1):
        console.print(f"run {number}: {run}")
    return report.well


class _Report:
    """Builds a table of counts, each with its bounds."""

    def __init__(self, title: str) -> None:
        self.well = True
        self.table = Table(title=title)
        self.table.add_column("what")
        self.table.add_column("found", justify="right")
        self.table.add_column("asked", justify="right")

    def line(self, what: str, found: int, *, least: int = 0, most: int | None = None) -> None:
        wrong = found < least or (most is not None and found > most)
        self.well = self.well and not wrong
        asked = (f"≥ {least:,}" if least else "") if most is None else f"{most:,}" if most == least else f"≤ {most:,}"
        self.table.add_row(what, f"[red]{found:,}[/red]" if wrong else f"{found:,}", asked)

    def section(self) -> None:
        self.table.add_section()
