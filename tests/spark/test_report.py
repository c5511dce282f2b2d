"""Tests that report, terminal and views show the same figures to the last digit.

The rows are written by hand, and no sync is run here.
"""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from html_figures import Page
from pyspark.sql import SparkSession
from tables_by_hand import ByHand, at, batch, ended, started, status
from typer.testing import CliRunner

from cio_spark.analysis.reading import create_analysis_views
from cio_spark.analysis.table_layout import TABLES
from cio_spark.cli import app

SYNC = "reported"
FIRST, SECOND = "reported-first", "reported-second"  # unique, because other modules write runs by hand too
MARKUP = "<img src=x onerror=alert(1)> [red]refused[/red]"
SENSITIVE = ("ann@example.com", "a-secret-key", "a payload's value")
CONFIGURATION = (
    '{"batch": {"rate_limit_rps": 50, "max_batch_size": 300, "max_batch_bytes": 90000}, "sync": {"name": "x"}}'
)
BATCHES = [
    batch(SYNC, SECOND, 1, start=0, stop=7, total=300, bytes=80_000, throttled_seconds=1 / 3, request_seconds=20 / 3),
    batch(SYNC, SECOND, 2, start=1, stop=4.1, attempts=3, requests=3, request_seconds=3.0, lane=1, total=7),
    batch(SYNC, SECOND, 3, start=10, stop=12.7, failed=25, partition=1, error_categories="validation"),
    batch(SYNC, FIRST, 1, start=-60, stop=-59, total=50, bytes=10_000),
    batch("elsewhere", SECOND, 1, start=0, stop=1),
]
REFUSED = {"error_category": "validation", "error_code": "http_400", "error_message": MARKUP, "http_status": 400}
STATUSES = [
    status(SYNC, SECOND, "o1"),
    *[
        status(SYNC, SECOND, f"o{number}", "rejected", person_key=SENSITIVE[0], attempted_at=at(number), **REFUSED)
        for number in (5, 3)
    ],
    status(SYNC, FIRST, "o7", "failed", error_category="server", error_code="http_503", attempted_at=at(-59)),
    status("elsewhere", SECOND, "other", "rejected", **REFUSED),
]
RUNS = [
    started(SYNC, FIRST, -60, configuration=CONFIGURATION),
    ended(SYNC, FIRST, -50, rows=50, accepted=49, failed=1),
    started(SYNC, SECOND, 0, configuration=CONFIGURATION),
    ended(SYNC, SECOND, 20, rows=500, accepted=382, rejected=25, unchanged=80, held=13),
]


@pytest.fixture(scope="module")
def by_hand(spark: SparkSession, warehouse: Path) -> ByHand:
    written = ByHand(spark, warehouse).set_up()
    written.write("batch_operations", BATCHES)
    written.write("sync_runs", RUNS)
    written.write("record_status", STATUSES)
    letter = {"sync": SYNC, "run_id": SECOND, "record_id": "o3", "payload": SENSITIVE[2], "dead_at": at(5)}
    written.write("dead_letters", [letter])
    create_analysis_views(written.tables)
    return written


@pytest.fixture(scope="module")
def conf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("report") / "reported.yml"
    payload = "{call: track, record_id: id, user_id: id, event: e}"
    file.write_text(f"sync: {{name: {SYNC}}}\nsource: {{table: t}}\npayload: {payload}\ntables: {{database: tests}}\n")
    return file


def run(by_hand: ByHand, conf: Path, command: str, *arguments: str) -> str:
    # The rows have fixed times; so many hours reach back to long before them
    hours = "200000"
    given = [command, str(conf), "--hours", hours, "--warehouse", str(by_hand.warehouse), *arguments]
    result = CliRunner().invoke(app, given, env={"COLUMNS": "500", "CUSTOMERIO_API_KEY": SENSITIVE[1]})
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def html(by_hand: ByHand, conf: Path) -> str:
    file = conf.with_name("out") / "report.html"
    assert run(by_hand, conf, "report", "--output", str(file)) == f"wrote {file}\n"
    return file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def exactly(value: Any) -> str:
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat()
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def terminal_tables(output: str) -> dict[str, list[list[str]]]:
    """Return the rows of cells of each table by its title."""
    tables: dict[str, list[list[str]]] = {}
    title = ""
    for line in output.splitlines():
        if line.startswith("│"):
            tables[title].append([" ".join(cell.split()) for cell in line.strip("│").split("│")])
        elif line[:1] not in "┏┡└┃":
            title = line.strip()
            tables.setdefault(title, [])
    return tables


@pytest.mark.parametrize("view", TABLES)
def test_the_report_has_the_figures_of_the_view_to_the_last_digit(by_hand: ByHand, page: Page, view: str) -> None:
    columns = [column.figure for column in TABLES[view].columns]
    rows = by_hand.tables.read(view).where(f"sync = '{SYNC}'").select(*columns).collect()
    expected = [{name: exactly(row[name]) for name in columns} for row in rows]
    found = page.tables[view].values()
    assert rows
    assert sorted(found, key=str) == sorted(expected, key=str)


def test_the_terminal_shows_what_the_report_shows(by_hand: ByHand, conf: Path, page: Page) -> None:
    tables = terminal_tables(run(by_hand, conf, "analyze"))
    for view, shown in TABLES.items():
        assert page.tables[view].texts() == tables[shown.title], view
        assert page.tables[view].headings == [column.heading for column in shown.columns]


def test_figures_outside_the_tables_are_those_of_the_views_too(by_hand: ByHand, page: Page) -> None:
    found: dict[str, str] = {}
    for view, names in (
        ("run_books", ("source_rows", "accepted", "unchanged", "run_error_rate_percent", "run_seconds", "balanced")),
        (
            "run_performance",
            ("records_per_batch", "bytes_per_batch", "throttled_seconds", "throttled_percent", "bytes"),
        ),
    ):
        row = by_hand.tables.read(view).where(f"sync = '{SYNC}' AND run_id = '{SECOND}'").select(*names).collect()[0]
        found |= {name: exactly(row[name]) for name in names}
    assert {name: page.figures[name] for name in found} == found
    assert (found["source_rows"], found["balanced"], found["run_seconds"]) == ("500", "true", "20.0")


def test_slices_of_time_add_up_to_the_run(page: Page) -> None:
    rows = page.tables["timeline"].values()
    assert [row["slice"][11:19] for row in rows] == ["12:00:04", "12:00:07", "12:00:12"]
    assert [row["accepted_records"] for row in rows] == ["7", "300", "75"]
    assert [row["requests"] for row in rows] == ["3", "1", "1"]


def test_batches_are_counted_by_how_full_they_were(page: Page) -> None:
    rows = {row["tenth"]: (row["by_records"], row["by_bytes"]) for row in page.tables["fill"].values()}
    # The batches have 300, 7 and 100 of 300 records, and 80,000, 30,000 and 30,000 of 90,000 bytes
    assert rows == {"0": ("1", "0"), "3": ("1", "2"), "8": ("0", "1"), "9": ("1", "0")}


def test_failures_come_without_payloads_persons_and_what_the_api_said(html: str, page: Page) -> None:
    rows = page.tables["failures"].values()
    assert [row["record_id"] for row in rows] == ["o3", "o5", "o7"]
    assert "onerror" not in html  # the words of the API may echo what was sent
    for value in SENSITIVE:
        assert value not in html


def test_the_configuration_is_the_one_the_run_had(page: Page) -> None:
    assert "batch.rate_limit_rps" in page.text
    assert page.tables["configuration"].caption == "settings and their values"
    assert "of 300" in " ".join(page.text.split())


def test_a_sync_that_has_never_run_has_a_report_too(by_hand: ByHand, conf: Path) -> None:
    file = conf.with_name("never.html")
    run(by_hand, conf, "report", "--output", str(file), "--set", "sync.name=never_ran")
    assert "This sync has not run yet." in file.read_text(encoding="utf-8")
