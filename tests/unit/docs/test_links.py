"""Tests that every link between pages, and to a heading of a page, leads somewhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from doc_pages import PAGES, ROOT, anchor_of, anchors_of, links_of, name_of

DECISIONS = ROOT / "docs" / "decisions"


def problems_of(page: Path, text: str) -> list[str]:
    """Return the links of a page, with this text, that lead nowhere."""
    problems = []
    for link in links_of(text):
        if link.startswith(("http://", "https://", "mailto:")):
            continue
        target, _, anchor = link.partition("#")
        file = (page.parent / target).resolve() if target else page
        if not file.is_file() or not file.is_relative_to(ROOT):
            problems.append(f"{link}: no such file")
        elif anchor and anchor not in anchors_of(text if file == page else file.read_text(encoding="utf-8")):
            problems.append(f"{link}: no such heading")
    return problems


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_link_of_a_page_leads_to_a_file_and_a_heading_that_exist(page: Path) -> None:
    assert problems_of(page, page.read_text(encoding="utf-8")) == []


def test_the_list_of_decisions_has_each_of_them_with_its_title_and_no_other() -> None:
    listed = (DECISIONS / "README.md").read_text(encoding="utf-8")
    titles = {
        file.name: file.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        for file in sorted(DECISIONS.glob("[0-9]*.md"))
    }
    assert listed.split("\n\n")[2].splitlines() == [
        f"* [{name[:4]}]({name}): {title}" for name, title in titles.items()
    ]


def test_a_link_that_leads_nowhere_is_found() -> None:
    page = ROOT / "docs" / "scope.md"
    text = "# A `b`: c\n[one](scop.md) [two](state.md#nothing) [three](#a-b-c) [four](../docs) `[five](x.md)`\n"
    assert problems_of(page, text) == [
        "scop.md: no such file",
        "state.md#nothing: no such heading",
        "../docs: no such file",
    ]


@pytest.mark.parametrize(
    ("heading", "anchor"),
    [
        ("Exit status 6: the API is not usable", "exit-status-6-the-api-is-not-usable"),
        ("`high_error_rate`", "high_error_rate"),
        ("Read [on](x.md), people's", "read-on-peoples"),
    ],
)
def test_an_anchor_is_made_as_on_github(heading: str, anchor: str) -> None:
    assert anchor_of(heading) == anchor


def test_a_second_heading_of_one_text_has_a_number() -> None:
    assert anchors_of("# A\n## A\n```sh\n# no heading\n```\n") == {"a", "a-1"}
