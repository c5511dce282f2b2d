"""Tries the user's expressions on all rows before any other query evaluates them.

It counts the rows on which an expression fails, and never quotes a value.
"""

from __future__ import annotations

from collections.abc import Mapping

from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.errors import ExpressionError
from cio_spark.source.null_on_failure import null_on_failure
from cio_spark.spark import failures as spark_errors
from cio_spark.spark import sql as users_sql
from cio_spark.spark.conf import temporary_settings
from cio_spark.spark.expression_types import type_of

# Without these settings Spark would evaluate common subexpressions, and from 4.2 on the operand of BETWEEN, ahead of
# the rest, where no failure is caught
_EACH_ALONE = {"spark.sql.subexpressionElimination.enabled": "false", "spark.sql.alwaysInlineCommonExpr": "true"}
_TEXT_MAKERS = ("CONCAT", "UPPER", "LOWER", "TRIM")


def try_expressions(rows: DataFrame, expressions: Mapping[str, str]) -> None:
    """Evaluate expressions on every row, in one pass, and count the rows on which they fail.

    A column, or a text that is made of columns, cannot fail and is not tried.

    Args:
        rows: rows of the source.
        expressions: SQL by configuration path; each is known to be a value of one row.

    Raises:
        ExpressionError: an expression fails on a row; the message says which expression, and on how many rows.
    """
    tried = {path: sql for path, sql in expressions.items() if not cannot_fail(sql, rows)}
    if not tried:
        return
    try:
        counted = _count(rows, list(tried.values()))
    except Exception as error:
        # Spark's builder of maps is unusable after a failure; it then raises an assertion, which `try_` functions miss
        if "AssertionError" not in str(error):
            raise
        for path, sql in tried.items() if len(tried) > 1 else ():
            try_expressions(rows, {path: sql})
        raise ExpressionError(f"{' or '.join(tried)}: fails on rows of the source; {spark_errors.ADVICE}") from None
    found = [
        f"{path}: `{sql}` fails on {failed:,} {'row' if failed == 1 else 'rows'} of the source"
        for (path, sql), failed in zip(tried.items(), counted, strict=True)
        if failed
    ]
    if found:
        raise ExpressionError(f"{'; '.join(found)}; {spark_errors.ADVICE}")


def _count(rows: DataFrame, expressions: list[str]) -> tuple[int, ...]:
    """Count for each expression the rows on which it fails."""
    texts = [F.coalesce(F.expr(sql).cast("string"), F.lit("")) for sql in expressions]
    with temporary_settings(rows.sparkSession, _EACH_ALONE):
        # Failing rows are marked first and counted then, because an aggregate of Spark 3.5 ignores the setting
        failed = rows.select(*[null_on_failure(text).isNull().alias(str(number)) for number, text in enumerate(texts)])
        return tuple(failed.agg(*[F.count_if(F.col(name)).alias(name) for name in failed.columns]).collect()[0])


def cannot_fail(sql: str, rows: DataFrame) -> bool:
    """Tell whether an expression is a column, a constant text, or a text that a safe function makes of these."""
    try:
        tokens = users_sql.read_tokens(sql)
    except users_sql.UnreadableSqlError:
        return False
    if len(tokens) == 1:
        return tokens[0].is_name or tokens[0].kind == "text"
    return _makes_a_text(tokens) and isinstance(type_of(rows, sql), T.StringType)


def _makes_a_text(tokens: tuple[users_sql.Token, ...]) -> bool:
    """Tell whether these tokens are like `concat(a, 'b')`: one function call on names and texts only."""
    if len(tokens) < 4 or not tokens[0].says(*_TEXT_MAKERS) or not tokens[1].says("(") or not tokens[-1].says(")"):
        return False
    values, commas = tokens[2:-1:2], tokens[3:-1:2]
    return all(value.is_name or value.kind == "text" for value in values) and all(comma.says(",") for comma in commas)
