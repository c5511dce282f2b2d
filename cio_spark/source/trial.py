"""Tries the user's expressions on the rows before anything else does: where one fails, it is counted, never quoted.

Spark quotes the value on which an expression fails, and does so in its own logs and its event log too, out of our
reach. Inside a `try_` function a failure is a null instead (docs/decisions/0011-expressions-that-fail.md).
"""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Iterator, Mapping

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark import spark_errors
from cio_spark.errors import ExpressionError

_REUSE_OF_PARTS = "spark.sql.subexpressionElimination.enabled"
_ONE_AT_A_TIME = threading.Lock()
_NAME = r"\s*(?:`(?:[^`]|``)+`|[^\W\d]\w*)\s*"
_TEXT = r"\s*'(?:[^'\\]|\\.)*'\s*"
_CANNOT_FAIL = re.compile(
    rf"{_NAME}|{_TEXT}|\s*(?:concat|upper|lower|trim)\s*\((?:{_NAME}|{_TEXT})(?:,(?:{_NAME}|{_TEXT}))*\)\s*"
)


def try_expressions(rows: DataFrame, expressions: Mapping[str, str]) -> None:
    """Evaluates expressions on every row, in one pass; a column or a text made of columns cannot fail, and needs none.

    Args:
        rows: the source's rows.
        expressions: SQL by configuration path; each is known to be a value of one row.

    Raises:
        ExpressionError: one fails on some row; the text says which, and on how many.
    """
    tried = {path: sql for path, sql in expressions.items() if not _cannot_fail(sql, rows)}
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
        raise ExpressionError(f"{'; '.join(found)}; {spark_errors.ADVICE}")


def _fails(sql: str) -> Column:
    """Whether an expression fails: a `try_` function gives null for whatever is raised inside it."""
    return F.try_to_binary(F.coalesce(F.expr(sql).cast("string"), F.lit("")), F.lit("utf-8")).isNull()


@contextlib.contextmanager
def _each_evaluated_alone(spark: SparkSession) -> Iterator[None]:
    """Spark would evaluate what two expressions have in common ahead of both, outside the `try_` function."""
    with _ONE_AT_A_TIME:  # the setting is the session's
        before = spark.conf.get(_REUSE_OF_PARTS)
        spark.conf.set(_REUSE_OF_PARTS, "false")
        try:
            yield
        finally:
            spark.conf.set(_REUSE_OF_PARTS, str(before))


def _cannot_fail(sql: str, rows: DataFrame) -> bool:
    """Whether an expression is a column, or a text that a function which takes any text makes of columns."""
    if _CANNOT_FAIL.fullmatch(sql) is None:
        return False
    return "(" not in sql or isinstance(rows.select(F.expr(sql).alias("x")).schema[0].dataType, T.StringType)
