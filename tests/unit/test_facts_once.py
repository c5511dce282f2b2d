"""Tests that a fact of the product is written in one file; the stand-in knows the API's contract on its own."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from cio_spark.batch_facts import BATCH_FACTS
from cio_spark.config import Call
from cio_spark.delivery.outcome import BATCH_STRUCT, BatchFacts
from cio_spark.statuses import STATUSES

PACKAGE = Path(__file__).parents[2] / "cio_spark"
FILES = [
    file for file in sorted(PACKAGE.rglob("*.py")) if file.relative_to(PACKAGE).parts[0] not in ("standin", "demo")
]


def files_that_say(pattern: str) -> set[str]:
    """Return the files whose code, without docstrings and comments, matches a pattern."""
    return {
        file.relative_to(PACKAGE).as_posix()
        for file in FILES
        if re.search(pattern, ast.unparse(without_docstrings(ast.parse(file.read_text(encoding="utf-8")))), re.DOTALL)
    }


def without_docstrings(tree: ast.Module) -> ast.Module:
    """Remove every statement that is only a constant."""
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            kept = [
                one
                for one in body
                if not (
                    isinstance(one, ast.Expr)
                    and isinstance(one.value, ast.Constant)
                    and isinstance(one.value.value, str)
                )
            ]
            node.body = kept or [ast.Pass()]  # type: ignore[attr-defined]  # each node that has a body
    return tree


@pytest.mark.parametrize(
    ("fact", "file"),
    [
        (r"\b500000\b", "config/api_limits.py"),
        (r"\b32000\b", "config/api_limits.py"),
        ("0123456789ABCDEFGHJKMNPQRSTVWXYZ", "ids.py"),
        (r"sum\(attempts\).*count\(attempts\)", "batch_facts.py"),
        (r"\b1\.01\b", "planning/rate_shares.py"),
        *((f"'{call.spec.event}'", "config/calls.py") for call in Call if call.spec.event),
    ],
)
def test_a_fact_is_written_in_one_file(fact: str, file: str) -> None:
    assert files_that_say(fact) == {file}


def test_no_other_file_lists_the_statuses() -> None:
    listed = ".{1,4}".join(f"'{status}'" for status in STATUSES)
    assert files_that_say(listed) == set()


def test_batch_facts_have_one_order_in_tables_tasks_and_arrow() -> None:
    assert tuple(BATCH_FACTS) == BatchFacts._fields
    assert [BATCH_STRUCT.field(number).name for number in range(BATCH_STRUCT.num_fields)] == list(BATCH_FACTS)
