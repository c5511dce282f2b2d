"""The first line of every docstring says what the thing does: it is no noun clause, and no phrase without a verb."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = ("cio_spark", "jobs", "tests", "benchmarks")
CLAUSES = frozenset({"What", "Whether", "How", "Where", "Who", "Whose", "Which", "When", "Why"})
"""Words that begin a noun clause such as "What a run may have sent"."""
ARTICLES = frozenset({"The", "A", "An"})
"""Words that begin a noun phrase where a function's docstring begins with its verb."""


def first_words(file: Path) -> Iterator[tuple[str, str, bool]]:
    """Yield the place and the first word of each docstring, and whether it is a function's that computes something."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        text = ast.get_docstring(node)
        if text:
            is_function = isinstance(node, ast.FunctionDef) and not any(map(is_property, node.decorator_list))
            name = "module" if isinstance(node, ast.Module) else node.name
            yield f"{file.relative_to(ROOT)}: {name}: {text.splitlines()[0]}", text.split()[0].strip(",:;"), is_function


def is_property(decorator: ast.expr) -> bool:
    """Tell whether a decorator makes a function the value of an attribute, or the fixture of a test."""
    return "property" in ast.unparse(decorator) or "fixture" in ast.unparse(decorator)


@pytest.mark.parametrize("folder", FOLDERS)
def test_no_docstring_begins_with_a_noun_clause(folder: str) -> None:
    files = sorted((ROOT / folder).rglob("*.py"))
    wrong = [
        place
        for file in files
        for place, word, is_function in first_words(file)
        if word in CLAUSES or (is_function and word in ARTICLES)
    ]
    assert wrong == []
