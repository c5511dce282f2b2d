"""Tests that docs/metrics.md describes every figure and view as the code computes it, and no other ones."""

from __future__ import annotations

import re
from pathlib import Path

from cio_spark.analysis.bottlenecks import find_bottlenecks
from cio_spark.analysis.figures import BATCH, GROUP, LEVELS
from cio_spark.analysis.view_queries import PLAIN_COLUMNS, VIEWS, query_of
from cio_spark.schemas import BATCH_OPERATIONS

PAGE = (Path(__file__).parents[3] / "docs" / "metrics.md").read_text(encoding="utf-8")


def test_every_figure_is_on_the_page_once_with_unit_and_formula() -> None:
    lines = [
        f"| `{name}` | {figure.unit} | `{figure.sql}` | {figure.meaning} |"
        for figures in LEVELS.values()
        for name, figure in figures.items()
    ]
    assert [line for line in PAGE.splitlines() if line in lines] == lines
    figures = PAGE.split("## What is told of a run", maxsplit=1)[0].splitlines()
    unknown = [line for line in figures if re.match(r"\| `\w+` \| [^|]* \| `", line) and line not in lines]
    assert unknown == []


def test_every_view_is_on_the_page() -> None:
    assert [name for name, view in VIEWS.items() if f"| `{name}` | {view.meaning} |" not in PAGE] == []


def test_every_type_of_bottleneck_is_on_the_page() -> None:
    code = Path(find_bottlenecks.__code__.co_filename).read_text(encoding="utf-8")
    types = set(re.findall(r'Bottleneck\(\s*"(\w+)"', code))
    assert len(types) == 9
    assert types <= set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))


def test_the_plain_columns_are_those_of_the_table() -> None:
    columns = [column.split()[0] for column in BATCH_OPERATIONS.split(", ") if not column.startswith("STRING")]
    assert [*PLAIN_COLUMNS, "metadata"] == columns


def test_a_formula_names_only_what_is_there() -> None:
    """Check that a figure of a group is made of columns of `batch_performance`, and never of another figure."""
    known = {*PLAIN_COLUMNS, *BATCH}
    words = {word for figure in GROUP.values() for word in re.findall(r"\b[a-z]+(?:_[a-z]+)+\b", figure.sql)}
    assert words - known - {"count_if", "stddev_samp"} == set()


def test_a_nested_query_needs_no_view() -> None:
    for name in VIEWS:
        query = query_of(name, lambda table: f"<{table}>", nested=True)
        assert set(re.findall(r"<(\w+)>", query)) <= {
            "batch_operations",
            "record_status",
            "sync_runs",
            "sync_run_state",
        }
