"""Decides whether an expression changes by itself, that is, has another value although its row is the same.

The text of the expression is read first; Spark is asked about what the text does not show. Spark knows which functions
are deterministic, and which constants become times. Spark Connect tells neither: there, the types of the operands
beside a text such as `now` decide (docs/decisions/0014-users-sql-is-read-by-a-parser.md).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from cio_spark.spark import sql as users_sql

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

_TIMES = ("date", "timestamp", "timestamp_ntz")


def changes_by_itself(rows: DataFrame, sql: str) -> bool:
    """Tell whether an expression can have another value in another run, for another user or at another place.

    It runs no job.

    Args:
        rows: rows that the expression is about.
        sql: an expression that Spark accepts.
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
    """Tell whether a word that also names a function is a column here; with most settings columns take precedence."""
    from pyspark.sql import functions as F

    if word not in {name.lower() for name in rows.columns}:
        return False
    return rows.select(F.expr(word)).sameSemantics(rows.select(F.col(users_sql.quoted(word))))


def _told_by_plan(rows: DataFrame, sql: str) -> bool | None:
    """Tell from Spark's analysed plan whether an expression changes by itself.

    Returns:
        None if the plan cannot be read: on Spark Connect, or in a guarded session.
    """
    from pyspark.sql import functions as F

    inside: Any = rows.select(F.expr(sql).alias("x"))
    try:
        analysed = inside._jdf.queryExecution().analyzed()
        return any(_changes(node) for top in _each(analysed.expressions()) for node in _nodes(top))
    except Exception:  # Spark Connect has no such attribute, and each guard raises an error of its own class
        return None


def _changes(node: Any) -> bool:
    """Tell whether one node of an analysed expression changes by itself.

    Such a node is not deterministic, calls a changing function, or reads a constant text such as `now` as a time.
    """
    if not node.deterministic() or users_sql.is_changing_function(str(node.prettyName())):
        return True  # the nodes include those inside a function that is written in SQL
    if node.dataType().simpleString() not in _TIMES:
        return False
    return any(
        child.foldable() and child.dataType().typeName().startswith("string") and _is_special_constant(child)
        for child in _each(node.children())
    )


def _is_special_constant(node: Any) -> bool:
    try:
        value = node.eval(None)
    except Exception:  # the constant fails on every evaluation, so no row ever gets a value
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
    """Tell whether Spark may read a text such as `now` as a time: an operand beside it is not a text."""
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
