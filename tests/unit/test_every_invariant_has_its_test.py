"""Tests the table of invariants in docs/reliability.md.

Each of the twelve invariants has tests, and every test that is named there exists.
"""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
PAGE = TESTS.parent / "docs" / "reliability.md"
HEADING = "## The invariants and their tests"
INVARIANTS = range(1, 13)


def table() -> dict[int, list[str]]:
    """Return the node ids of each invariant, as the page has them."""
    section = PAGE.read_text(encoding="utf-8").partition(f"{HEADING}\n")[2].partition("\n## ")[0]
    found: dict[int, list[str]] = {}
    for number, _, tests in re.findall(r"^\| (\d+) \| ([^|]+) \| ([^|]+) \|$", section, flags=re.MULTILINE):
        assert int(number) not in found, f"invariant {number} has two rows"
        found[int(number)] = re.findall(r"`([^`]+)`", tests)
    return found


def names_in(file: Path) -> set[str]:
    """Return the names of the test functions in a file that pytest collects."""
    if not file.is_file():
        return set()
    nodes = ast.parse(file.read_text(encoding="utf-8")).body
    return {node.name for node in nodes if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")}


def missing(node_ids: list[str]) -> list[str]:
    """Return the node ids that name no test."""
    parts = [node_id.partition("::") for node_id in node_ids]
    return [f"{path}::{name}" for path, _, name in parts if name not in names_in(TESTS / path)]


def test_the_table_has_a_row_for_each_of_the_twelve_invariants() -> None:
    assert sorted(table()) == list(INVARIANTS)


@pytest.mark.parametrize("number", INVARIANTS)
def test_every_test_named_for_an_invariant_exists(number: int) -> None:
    named = table()[number]
    assert named != []
    assert missing(named) == []


def test_a_name_that_is_no_test_is_noticed() -> None:
    here = f"unit/{Path(__file__).name}"
    assert missing([f"{here}::test_a_name_that_is_no_test_is_noticed"]) == []
    for wrong in (f"{here}::test_gone", f"{here}::names_in", "unit/test_gone.py::test_x", here):
        assert missing([wrong]) != []
