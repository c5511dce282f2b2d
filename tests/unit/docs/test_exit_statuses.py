"""Tests that README and docs/reliability.md list the exit statuses with which `cio-spark sync` can end, and no others.

The rows of statuses that only `monitor` has say so.
"""

from __future__ import annotations

import ast
import re
from itertools import pairwise
from pathlib import Path

import pytest

from cio_spark.cli.run_command import worst_exit_status
from cio_spark.errors import ExitStatus

ROOT = Path(__file__).parents[3]
PACKAGE = ROOT / "cio_spark"
README, RELIABILITY = ROOT / "README.md", ROOT / "docs" / "reliability.md"
PAGES = (README, RELIABILITY)
OF_MONITOR = {ExitStatus.MONITOR_WARNING, ExitStatus.MONITOR_CRITICAL}
OF_SYNC = set(ExitStatus) - OF_MONITOR


def listed(page: Path) -> tuple[list[int], list[int]]:
    """Return the numbers in a page's table of exit statuses: those of all commands, and those of `monitor` only."""
    table = page.read_text(encoding="utf-8").split("\n| exit status |")[1].split("\n\n")[0]
    of_all: list[int] = []
    of_monitor: list[int] = []
    for numbers, meaning in re.findall(r"^\| ([\d, ]+) \| ([^|]+) \|", table, re.MULTILINE):
        is_monitors = meaning.startswith("`cio-spark monitor` only")
        (of_monitor if is_monitors else of_all).extend(int(number) for number in numbers.split(","))
    return of_all, of_monitor


def members_named(file: Path) -> set[str]:
    """Return the members of `ExitStatus` that a file names."""
    return {
        node.attr
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ExitStatus"
    }


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_lists_every_exit_status_of_sync_once_and_in_order(page: Path) -> None:
    assert listed(page)[0] == sorted(OF_SYNC)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_says_which_ones_are_of_monitor_only(page: Path) -> None:
    assert listed(page)[1] == sorted(OF_MONITOR)


def test_every_exit_status_of_sync_is_given_somewhere_and_those_of_monitor_by_monitoring_only() -> None:
    # The file of `worst_exit_status` names all members, for it puts them in order
    files = [file for file in PACKAGE.rglob("*.py") if file.name != "run_command.py"]
    monitoring = PACKAGE / "monitoring"
    elsewhere = {name for file in files if monitoring not in file.parents for name in members_named(file)}
    assert elsewhere == {status.name for status in OF_SYNC}
    assert {status.name for status in OF_MONITOR} <= {
        name for file in monitoring.rglob("*.py") for name in members_named(file)
    }


def test_the_page_puts_the_statuses_of_several_syncs_in_the_order_of_the_code() -> None:
    sentence = RELIABILITY.read_text(encoding="utf-8").split("from the least to the worst: ")[1].split(".")[0]
    order = [ExitStatus(int(number)) for number in sentence.split(", ")]
    assert set(order) == OF_SYNC
    assert [worst_exit_status([lesser, greater]) for lesser, greater in pairwise(order)] == order[1:]
