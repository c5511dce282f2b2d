"""Decides whether an expression changes by itself: its text is read, and Spark is asked what the text cannot say.

Spark knows what is deterministic and which constants become times. Spark Connect tells neither: there, the types of
what stands beside a text such as `now` decide (docs/decisions/0014-users-sql-is-read-by-a-parser.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cio_spark.spark import sql as users_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TIMES = ("date", "timestamp", "timestamp_ntz")


def changes_by_itself(rows: DataFrame, sql: str) -> bool:
    """Tell whether an expression has another value in another run, for another user or at another place. Runs no job.

    Args:
        rows: what the expression is about.
        sql: an expression that Spark takes.
    """
    if users_sql.is_column_name(sql) and sql.strip().startswith("`"):
        return False
    found = users_sql.find_changing_parts(sql)
    if found.surely or any(not _is_column(rows, word) for word in found.words):
        return True
    if users_sql.is_column_name(sql):
        return False
    told = _told_by_plan(rows, sql)
    if told is not None:
        return told
    return found.has_special_times and _reads_a_time(rows, sql)


def _is_column(rows: DataFrame, word: str) -> bool:
    """Tell whether a word that is also a function's is a column here; most settings let columns come first."""
    from pyspark.sql import functions as F

    if word not in {name.lower() for name in rows.columns}:
        return False
    return rows.select(F.expr(word)).sameSemantics(rows.select(F.col(users_sql.quoted(word))))


def _told_by_plan(rows: DataFrame, sql: str) -> bool | None:
    """Ask Spark's own analysis; None where it is out of reach: on Spark Connect, or in a guarded session."""
    from pyspark.sql import functions as F

    inside: Any = rows.select(F.expr(sql).alias("x"))
    try:
        analysed = inside._jdf.queryExecution().analyzed()
        return any(_changes(node) for top in _each(analysed.expressions()) for node in _nodes(top))
    except Exception:  # Connect has no such attribute, and each guard raises its own error
        return None


def _changes(node: Any) -> bool:
    """Tell whether one node of an analysed expression is chance, or a constant text that becomes a time."""
    if not node.deterministic() or users_sql.is_changing_function(str(node.prettyName())):
        return True  # also inside a function that is written in SQL
    if node.dataType().simpleString() not in _TIMES:
        return False
    return any(
        child.foldable() and child.dataType().typeName().startswith("string") and _is_special_constant(child)
        for child in _each(node.children())
    )


def _is_special_constant(node: Any) -> bool:
    try:
        value = node.eval(None)
    except Exception:  # it fails whenever it is asked: no row will ever see a value
        return False
    return value is not None and users_sql.is_special_time(str(value))


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for child in _each(node.children()):
        yield from _nodes(child)


def _each(sequence: Any) -> Iterator[Any]:
    iterator = sequence.iterator()
    while iterator.hasNext():
        yield iterator.next()


def _reads_a_time(rows: DataFrame, sql: str) -> bool:
    """Tell whether a text such as `now` may be read as a time: something beside it is no text."""
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql import functions as F
    from pyspark.sql import types as T

    beside = users_sql.string_contexts(sql)
    if beside is None:
        return True
    try:
        kinds = [rows.select(F.expr(other).alias("x")).schema[0].dataType for other in beside]
    except (AnalysisException, ParseException):
        return True
    return not all(isinstance(kind, (T.StringType, T.NullType)) for kind in kinds)
