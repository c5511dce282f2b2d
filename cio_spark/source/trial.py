"""Tries the user's expressions on the rows before anything else does: where one fails, it is counted, never quoted.

Spark quotes the value on which an expression fails, and does so in its own logs and its event log too, out of our
reach. So no value may fail in Spark's hands: inside a `try_` function a failure is a null.
"""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark import spark_errors
from cio_spark.errors import ExpressionError
from cio_spark.source.reader import Snapshot

_REUSE_OF_PARTS = "spark.sql.subexpressionElimination.enabled"
_NEVER_FAIL = frozenset({"concat", "concat_ws", "lower", "upper", "trim", "ltrim", "rtrim", "null", "true", "false"})
_WORD = re.compile(r"[^\W\d]\w*")
_NAMES_AND_CALLS = re.compile(r"[\w\s,()|']*")
_AND = re.compile(r"\bAND\b", re.IGNORECASE)
# Where these stand, cutting at AND could change the meaning
_NOT_TO_CUT = re.compile(r"\bOR\b|--|/\*", re.IGNORECASE)
_COMPARED = re.compile(
    r"\s*(?P<column>`(?:[^`]|``)+`|\w+)\s*(?:=|==|<=>|<>|!=|<=|>=|<|>)\s*(?P<value>[^=<>].*)", re.DOTALL
)
_TEXT = r"'(?:[^'\\]|\\.|'')*'"
_LOOKED_UP = re.compile(
    rf"\s*(?:`(?:[^`]|``)+`|\w+)\s+(?:IS\s+(?:NOT\s+)?NULL|(?:NOT\s+)?LIKE\s+{_TEXT}|"
    rf"(?:NOT\s+)?IN\s*\(\s*{_TEXT}(?:\s*,\s*{_TEXT})*\s*\))\s*",
    re.IGNORECASE,
)


def try_condition(snapshot: Snapshot, where: str | None) -> None:
    """Tries `source.where` on the rows that the parts of it which cannot fail leave, so that files are still skipped.

    Args:
        snapshot: the opened source.
        where: its condition.

    Raises:
        ExpressionError: it fails on some row.
    """
    if where is None:
        return
    rows = snapshot.unfiltered
    parts = _parts(where, rows)
    safe = [part for part in parts if _is_safe(part, rows)]
    # A subquery becomes a join, which no function is around
    risky = [part for part in parts if part not in safe and not spark_errors.has_subquery(part)]
    for part in safe:
        rows = rows.where(F.expr(part))
    if risky:
        sql = risky[0] if len(risky) == 1 else " AND ".join(f"({part.strip()})" for part in risky)
        try_expressions(rows, {"source.where": sql.strip()})


def try_expressions(rows: DataFrame, expressions: Mapping[str, str]) -> None:
    """Evaluates expressions on every row; those that cannot fail are left out, so that most syncs need no pass.

    Args:
        rows: the source's rows.
        expressions: SQL by configuration path.

    Raises:
        ExpressionError: one fails on some row; the text says which, and on how many.
    """
    columns = [name.lower() for name in rows.columns]
    tried = {path: sql for path, sql in expressions.items() if not _cannot_fail(sql, columns)}
    if not tried:
        return
    failures = [F.count_if(_fails(sql)).alias(str(number)) for number, sql in enumerate(tried.values())]
    with _each_evaluated_alone(rows.sparkSession):
        counted = rows.agg(*failures).collect()[0]
    found = [
        f"{path}: `{sql}` fails on {failed:,} {'row' if failed == 1 else 'rows'} of the source"
        for (path, sql), failed in zip(tried.items(), counted, strict=True)
        if failed
    ]
    if found:
        raise ExpressionError(
            f"{'; '.join(found)}; use try_cast, try_divide or another try_ function, "
            "or leave such rows out with source.where"
        )


def _fails(sql: str) -> Column:
    """Whether an expression fails: a `try_` function gives null for whatever is raised inside it."""
    text = F.concat(F.lit("x"), F.coalesce(F.expr(sql).cast("string"), F.lit("")))
    return F.try_to_binary(text, F.lit("utf-8")).isNull()


@contextlib.contextmanager
def _each_evaluated_alone(spark: SparkSession) -> Iterator[None]:
    """Spark would evaluate what two expressions have in common ahead of both, outside the `try_` function."""
    before = spark.conf.get(_REUSE_OF_PARTS)
    spark.conf.set(_REUSE_OF_PARTS, "false")
    try:
        yield
    finally:
        spark.conf.set(_REUSE_OF_PARTS, str(before))


def _cannot_fail(sql: str, columns: Sequence[str]) -> bool:
    """Whether an expression is made of columns, literals, and functions that take any text."""
    bare = spark_errors.without_quoted(sql)
    words = {word.lower() for word in _WORD.findall(bare)}
    return _NAMES_AND_CALLS.fullmatch(bare) is not None and words <= _NEVER_FAIL.union(columns)


def _parts(where: str, rows: DataFrame) -> list[str]:
    """What must hold at once; the whole condition where that is not plain to see."""
    parts = _AND.split(where)
    if _NOT_TO_CUT.search(where) or not all(_is_condition(part, rows) for part in parts):
        return [where]
    return parts


def _is_condition(sql: str, rows: DataFrame) -> bool:
    return isinstance(_kind(sql, rows), T.BooleanType)


def _is_safe(part: str, rows: DataFrame) -> bool:
    """Whether a part of a condition cannot fail because of a row: a column compared with what is the same for all."""
    if _LOOKED_UP.fullmatch(part) or _cannot_fail(part, [name.lower() for name in rows.columns]):
        return True
    compared = _COMPARED.fullmatch(part)
    if compared is None:
        return False
    column, value = _kind(compared["column"], rows), _kind(compared["value"], rows.select())
    # A text is made a number or a date to be compared with one, and that may fail
    return (
        column is not None
        and value is not None
        and (not isinstance(column, T.StringType) or isinstance(value, T.StringType))
    )


def _kind(sql: str, rows: DataFrame) -> T.DataType | None:
    """The type of an expression; None if it is none."""
    try:
        return rows.select(F.expr(sql).alias("x")).schema[0].dataType
    except (AnalysisException, ParseException):
        return None
