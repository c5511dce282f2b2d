"""Tests the HTML that a notebook shows for the result and the preview of a run."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

from cio_spark.coverage import Scope, ScopeChoice
from cio_spark.errors import ExitStatus
from cio_spark.model import (
    Books,
    DeliveryCounts,
    DeliveryPlan,
    Preview,
    Reason,
    StateCounts,
    SyncResult,
)
from cio_spark.statuses import ROW_STATES

SURVEY = StateCounts(source_rows=1_234_600, unchanged=1_234_567, held=7, superseded=6, new=20, gone=3)
REFUSED = Reason("rejected", "validation", "bad_name", "", 2, http_status=400)
INVALID = Reason("invalid", "validation", "too_large", "the item has more than 32,000 bytes", 3)
DELIVERY = DeliveryCounts(
    accepted=15, invalid=3, rejected=2, requests=4, retries=1, bytes=2_500_000, reasons=(INVALID, REFUSED)
)
RESULT = SyncResult(
    run_id="01RUN",
    sync="orders",
    exit_status=ExitStatus.SUCCESS,
    books=Books(SURVEY, DELIVERY),
    plan=None,
    message="done, within the error threshold",
    next_step="Run replay_sync.",
    seconds=12.34,
    delivery_seconds=3.0,
    scope=ScopeChoice(Scope.INCREMENTAL, "27 rows have changed"),
)
PLAN = DeliveryPlan(20, 4, 2, 2, 3, 0.01, 1000, 500_000, 1.5, "the rate", 8)
PREVIEW = Preview(SURVEY, PLAN, (INVALID,), ('{"userId":"ada@example.com"}',), "table shop.orders, version 7")


class Cells(HTMLParser):
    """Collects the rows of all tables, and every tag and attribute."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.rows: list[list[str]] = []
        self.tags: set[str] = set()
        self.open: list[str] = []
        self.text = ""
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.open.append(tag)
        assert {name for name, _ in attrs} <= {"style"}
        if tag == "tr":
            self.rows.append([])

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data
        if self.open and self.open[-1] in ("td", "th"):
            self.rows[-1].append(data)


def shown(value: SyncResult | Preview) -> Cells:
    cells = Cells(value._repr_html_())
    assert cells.open == []
    assert cells.tags <= {"div", "h4", "b", "table", "thead", "tbody", "tr", "th", "td"}
    return cells


def test_a_result_has_its_books_scope_speed_and_errors_by_code() -> None:
    cells = shown(RESULT)
    for row in (
        ["source rows", "1,234,600"],
        ["accepted", "15"],
        ["unchanged", "1,234,567"],
        ["gone from the source", "3"],
        ["books", "balanced"],
        ["requests", "4"],
        ["MB", "2.5"],
        ["records accepted per second", "5.0"],
        ["seconds", "12.3"],
        ["invalid", "too_large", "the item has more than 32,000 bytes", "3"],
        ["rejected", "bad_name", "HTTP 400", "2"],
    ):
        assert row in cells.rows
    assert ["failed", "0"] not in cells.rows
    for text in (
        "orders · run 01RUN",
        "exit status 0: done",
        "scope incremental: 27 rows have changed",
        "next: Run replay",
    ):
        assert text in cells.text


def test_the_states_in_a_result_add_up_to_the_rows_that_were_found_in_a_state() -> None:
    by_state = RESULT.books.by_state
    assert tuple(by_state) == ROW_STATES
    assert sum(by_state.values()) == RESULT.books.accounted == 1_234_600


def test_books_that_do_not_balance_say_so() -> None:
    wrong = replace(RESULT, books=Books(replace(SURVEY, source_rows=5), DELIVERY))
    assert ["books", "1,234,600 accounted for: not balanced"] in shown(wrong).rows


def test_a_run_that_sent_nothing_has_no_speed() -> None:
    books = Books(StateCounts(source_rows=2, unchanged=2), DeliveryCounts())
    cells = shown(replace(RESULT, books=books, delivery_seconds=0.0, scope=None, next_step=""))
    assert "next:" not in cells.text
    assert not [row for row in cells.rows if row[0] in ("MB", "records accepted per second")]


def test_texts_are_escaped_wherever_they_come_from() -> None:
    evil = "<script>alert('x')</script>&"
    result = replace(
        RESULT,
        sync=evil,
        run_id=evil,
        message=evil,
        next_step=evil,
        notes=(evil,),
        scope=ScopeChoice(Scope.FULL, evil),
        books=Books(SURVEY, replace(DELIVERY, reasons=(Reason(evil, evil, evil, evil, 1),))),
    )
    preview = replace(PREVIEW, source=evil, notes=(evil,), plan=replace(PLAN, limited_by=evil))
    for value in (result, preview):
        cells = shown(value)
        assert "script" not in cells.tags
        assert cells.text.count(evil) >= 3


def test_a_preview_has_rows_and_plan_and_no_value_of_a_payload() -> None:
    cells = shown(PREVIEW)
    for row in (["new", "20"], ["requests", "4"], ["requests in flight", "6"], ["limited by", "the rate"]):
        assert row in cells.rows
    assert "table shop.orders, version 7" in cells.text
    assert "ada@example.com" not in PREVIEW._repr_html_()


def test_rendering_loads_no_large_library() -> None:
    program = "import sys, cio_spark.model; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not set(done.stdout.split()) & {"jinja2", "rich", "pydantic", "pyspark", "pandas"}
