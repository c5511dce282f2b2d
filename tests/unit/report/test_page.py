"""Tests the page of a report, from rows made by hand."""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from html_figures import Page
from report_facts import MARKUP, Scene, nothing
from typer.testing import CliRunner

from cio_spark.analysis.table_layout import TABLES
from cio_spark.cli import app
from cio_spark.report.facts import ReportFacts, flattened
from cio_spark.report.page import render_page
from cio_spark.statuses import ROW_STATES

SCENES: dict[str, Callable[[], ReportFacts]] = {
    "nothing": nothing,
    "one batch": lambda: Scene().facts(),
    "all failed": lambda: Scene(failed=1000).facts(),
    "a long run": lambda: Scene(batches=1471, seconds=38.0, failed=120).facts(),
}


@pytest.fixture(scope="module", params=SCENES)
def facts(request: pytest.FixtureRequest) -> ReportFacts:
    return SCENES[request.param]()


@pytest.fixture(scope="module")
def html(facts: ReportFacts) -> str:
    return render_page(facts)


@pytest.fixture(scope="module")
def page(html: str) -> Page:
    return Page(html)


def test_nothing_is_loaded_and_nothing_runs(html: str, page: Page) -> None:
    assert page.all("script") == []
    assert page.all("img") == []
    addresses = [given[name] for _, given in page.elements for name in ("src", "href", "xlink:href") if name in given]
    assert [address for address in addresses if not address.startswith(("#", "data:,"))] == []
    assert re.findall(r"url\((?!#)", html) == []
    assert "@import" not in html
    policy = next(given["content"] for given in page.all("meta") if "http-equiv" in given)
    assert policy.startswith("default-src 'none'")


def test_the_page_has_its_language_its_title_and_its_headings_in_order(page: Page) -> None:
    assert page.all("html") == [{"lang": "en"}]
    assert page.text.strip().startswith("orders: what was sent to Customer.io")
    levels = [int(tag[1]) for tag, _ in page.elements if tag in ("h1", "h2", "h3")]
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))


def test_every_table_has_a_caption_and_headings_with_a_scope(page: Page) -> None:
    assert len(page.all("table")) == len(page.all("caption"))
    assert {given.get("scope") for given in page.all("th")} <= {"col", "row"}


def test_every_plot_is_an_image_with_a_name_and_its_figures_in_words(page: Page) -> None:
    names = {given["id"] for tag, given in page.elements if tag in ("title", "desc") and "id" in given}
    for plot in page.all("svg"):
        assert plot["role"] == "img"
        assert set(plot["aria-labelledby"].split()) <= names


def test_identifiers_are_unique_and_every_reference_has_its_target(html: str, page: Page) -> None:
    names = [given["id"] for _, given in page.elements if "id" in given]
    assert sorted(names) == sorted(set(names))
    references = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', html))
    assert {one or other for one, other in references} <= set(names)


def test_plots_take_every_colour_from_the_page_so_that_they_turn_dark_with_it(html: str) -> None:
    drawings = "".join(re.findall(r"<svg.*?</svg>", html, flags=re.DOTALL))
    assert re.findall(r"#[0-9a-fA-F]{6}\b", drawings) == []
    used = set(re.findall(r"var\((--[a-z]+)\)", html))
    light, dark = re.findall(r":root \{(.*?)\}", html, flags=re.DOTALL)
    for mode in (light, dark):
        assert used <= set(re.findall(r"(--[a-z]+):", mode))


def said(value: Any) -> str:
    """Return a value as text, to its last digit."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return value.isoformat()
    return "" if value is None else str(value)


def test_figures_stand_there_to_their_last_digit(facts: ReportFacts, page: Page) -> None:
    for view, shown in TABLES.items():
        rows: list[Any] = getattr(facts.analysis, view)
        found = page.tables[view].values() if rows else []
        assert found == [{column.figure: said(row[column.figure]) for column in shown.columns} for row in rows], view


def test_text_from_the_tables_is_text() -> None:
    html = render_page(Scene(failed=1000).facts())
    assert "<script" not in html
    assert "<b>o2" not in html
    assert "example.invalid/x.png onerror" in html
    page = Page(html)
    assert page.tables["failures"].texts()[0][5] == " ".join(MARKUP.split())
    assert page.tables["error_categories"].texts()[0][3] == "http_400 $<i>$"


def test_the_books_of_the_newest_run_have_every_state_and_their_sum() -> None:
    page = Page(render_page(Scene(failed=120).facts()))
    books = {cell.figure: cell.value for row in page.tables["newest_books"].rows for cell in row}
    assert set(books) == {*ROW_STATES, "accounted_rows"}
    assert (books["accepted"], books["rejected"], books["held"]) == ("880", "120", "250")
    assert int(books["accounted_rows"]) == sum(int(books[state]) for state in ROW_STATES)
    assert (page.figures["balanced"], page.figures["source_rows"]) == ("true", "1250")


def test_books_that_do_not_balance_are_said_loudly() -> None:
    scene = Scene()
    scene.rows["run_books"] = [scene.books() | {"balanced": False, "missing_rows": 3}]
    page = Page(render_page(scene.facts()))
    assert "NOT balanced" in page.text
    assert page.figures["balanced"] == "false"


def test_a_run_under_way_has_no_books_yet() -> None:
    scene = Scene()
    unknown = dict.fromkeys((*ROW_STATES, "source_rows", "exit_status", "run_seconds", "accounted_rows"))
    nothing_yet = {"balanced": None, "missing_rows": None, "run_error_rate_percent": None, "status": "running"}
    scene.rows["run_books"] = [scene.books() | unknown | nothing_yet]
    assert "no books yet" in Page(render_page(scene.facts())).text


def test_a_sync_that_has_not_run_yet_has_a_page_that_says_so() -> None:
    text = Page(render_page(nothing())).text
    for said in ("has not run yet", "nothing to recommend", "No batch has been completed", "No runs"):
        assert said in text, said


def test_recommendations_are_those_of_the_analysis() -> None:
    facts = Scene(batches=1471, seconds=38.0).facts()
    assert facts.findings is not None
    text = " ".join(Page(render_page(facts)).text.split())
    assert facts.findings.bottlenecks
    for item in facts.findings.bottlenecks:
        assert item.metric in text
        assert item.suggestion in text
    for change in facts.findings.suggestion.changes:
        assert change.reason in text


def test_equal_facts_give_equal_drawings() -> None:
    one, other = (re.sub(r"plot\d+", "plot", render_page(Scene(failed=5).facts())) for _ in range(2))
    assert one == other


def test_configuration_is_flattened_and_leaves_out_what_is_not_set() -> None:
    assert flattened({"a": {"b": 1, "c": None, "d": {}}, "e": [1, "x"], "f": "text"}) == {
        "a.b": "1",
        "e": '[1, "x"]',
        "f": "text",
    }


def test_without_the_extra_one_sentence_says_what_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in sys.modules if name.startswith(("cio_spark.report", "jinja2"))]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "jinja2", None)
    result = CliRunner().invoke(app, ["report", "cio_spark/demo/purchases.yml", "--warehouse", str(tmp_path)])
    assert result.exit_code == 2
    assert " ".join(result.output.split()) == "error: jinja2 is not installed: pip install 'cio-spark[report]'"
