"""Tests on the syntax trees that the package uses nothing that serverless compute refuses.

Serverless compute is Spark Connect, with a few settings of its own. What only a classic session has stands behind
`classic_context`, in the files that are listed here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cio_spark"
TREES = {
    file.relative_to(PACKAGE).as_posix(): ast.parse(file.read_text(encoding="utf-8"))
    for file in sorted(PACKAGE.rglob("*.py"))
}
REFUSED = {
    "cache",
    "persist",
    "unpersist",
    "checkpoint",
    "localCheckpoint",
    "cacheTable",
    "clearCache",
    "createGlobalTempView",
    "createOrReplaceGlobalTempView",
    "addArtifact",
    "toJSON",
    "foreachPartition",
}
"""Methods that serverless compute, or Spark Connect as a whole, refuses or that need files of the driver."""
REFUSED_SQL = re.compile(
    r"\b(?:UN)?CACHE\s+(?:LAZY\s+)?TABLE\b|\bGLOBAL\s+TEMP|\bglobal_temp\b|\bADD\s+(?:JAR|FILE|ARCHIVE)\b|\bREFRESH\s+TABLE\b"
    r"|\bCREATE\s+(?:OR\s+REPLACE\s+)?(?:TEMP(?:ORARY)?\s+)?FUNCTION\b",
    re.IGNORECASE,
)
TABLE_PROPERTIES = {"delta.dataSkippingStatsColumns", "delta.dataSkippingNumIndexedCols"}
"""Properties that the package gives its tables: properties of the files' statistics, which every compute accepts."""
CLASSIC_ONLY = {
    # Returns None on Spark Connect, where the others then do without
    "sparkContext": {"spark/versions.py", "spark/returned_rows.py"},
    "_jvm": {"spark/versions.py", "pipeline/spark_jobs.py", "results/catalog_entry.py"},
    "_jsc": {"spark/versions.py", "spark/returned_rows.py", "pipeline/spark_jobs.py"},
    "_jsparkSession": {"spark/versions.py", "spark/returned_rows.py", "results/catalog_entry.py"},
    "rdd": {"delivery/engine.py"},
    "accumulator": {"delivery/engine.py", "pipeline/spark_jobs.py"},
}
"""Attributes that only a classic session has, and the files that may use them."""


def attributes_in(tree: ast.AST) -> set[str]:
    return {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}


def texts_in(tree: ast.AST) -> Iterator[str]:
    """Yield the texts of a file that are no docstrings; of a text with values in it, each part."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            node.value = ast.Constant(None)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def files_with(attribute: str) -> set[str]:
    return {name for name, tree in TREES.items() if attribute in attributes_in(tree)}


def refused_in(text: str) -> tuple[set[str], list[str]]:
    """Return the refused methods and the refused SQL of a program."""
    tree = ast.parse(text)
    return attributes_in(tree) & REFUSED, [found for found in texts_in(tree) if REFUSED_SQL.search(found)]


@pytest.mark.parametrize("name", TREES)
def test_no_file_uses_a_method_or_sql_that_is_refused(name: str) -> None:
    assert refused_in(ast.unparse(TREES[name])) == (set(), [])


@pytest.mark.parametrize("attribute", CLASSIC_ONLY)
def test_what_only_a_classic_session_has_is_in_the_files_that_can_do_without(attribute: str) -> None:
    assert files_with(attribute) == CLASSIC_ONLY[attribute]


def test_settings_are_read_and_changed_where_a_refusal_is_no_error() -> None:
    assert files_with("conf") == {"spark/conf.py", "spark/fixed_settings.py"}


def test_tables_have_no_property_that_is_not_listed() -> None:
    properties = {
        found
        for tree in TREES.values()
        for text in texts_in(tree)
        for found in re.findall(r"(?<!databricks\.)\bdelta\.[a-z]+[A-Z]\w*", text)
    }
    assert properties == TABLE_PROPERTIES


@pytest.mark.parametrize(
    ("program", "found"),
    [
        ("rows.cache().count()", ({"cache"}, [])),
        ("spark.sql('CACHE TABLE x')", (set(), ["CACHE TABLE x"])),
        ("spark.sql(f'SELECT * FROM global_temp.{x}')", (set(), ["SELECT * FROM global_temp."])),
        ("'''Says that CACHE TABLE is refused.'''", (set(), [])),
    ],
)
def test_what_is_refused_is_found(program: str, found: tuple[set[str], list[str]]) -> None:
    assert refused_in(program) == found
