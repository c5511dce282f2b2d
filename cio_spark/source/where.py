"""Turns `source.where` into Columns that drop the rows for which it is not true, and never make Spark quote a value.

The whole condition always decides. Parts that may fail are evaluated inside a function that raises nothing
(`null_on_failure.py`); if they fail, a text of cio_spark is raised instead. A condition with a subquery or a Python UDF
cannot be guarded in this way (docs/reliability.md).
"""

from __future__ import annotations

from functools import reduce

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.source.null_on_failure import null_on_failure, without_common_subexpressions
from cio_spark.spark import failures as spark_errors
from cio_spark.spark import sql as users_sql
from cio_spark.spark.expression_types import analysed, type_of

_WHOLE_NUMBER_DIGITS: dict[type[T.DataType], int] = {T.ByteType: 3, T.ShortType: 5, T.IntegerType: 10, T.LongType: 20}
_MOST_DIGITS = 38


def keep(rows: DataFrame, where: str) -> DataFrame:
    """Keep the rows for which a condition is true.

    Parts that compare columns with values that are the same for all rows cannot fail. They come first, because Spark
    skips files by them. Then the other parts are evaluated in the order in which they are written, a later one only if
    the earlier ones are true. The whole condition is evaluated last, so a part that was cut wrongly cannot let a row
    through.

    Args:
        rows: rows of the source.
        where: the condition; it is known to be one.

    Raises:
        AnalysisException: Spark refuses the condition after all.
    """
    # A subquery becomes a join, and no function can be put around a join
    if users_sql.is_readable(where) and users_sql.has_subquery(where):
        return analysed(rows.where(F.expr(where)))
    parts = _parts(where, rows)
    safe = [part for part in parts if _is_safe(part, rows)]
    if len(safe) == len(parts):
        return analysed(rows.where(F.expr(where)))
    plain = reduce(lambda kept, part: kept.where(F.expr(part)), safe, rows)
    others = [part for part in parts if part not in safe]
    try:
        return analysed(plain.where(_guarded(others, where, rows.columns)))
    except AnalysisException:  # a lambda must not contain some expressions: a Python UDF, a subquery of VALUES
        return analysed(rows.where(F.expr(where)))


def _guarded(parts: list[str], where: str, columns: list[str]) -> Column:
    # The line break ends a comment at the end of a text; CASE makes Spark refuse a text that is no condition
    asked = [*(parts if len(parts) > 1 else []), where]
    holds = reduce(lambda rest, part: f"CASE WHEN ({part}\n) THEN {rest} ELSE false END", reversed(asked), "true")
    failure = F.raise_error(F.lit(spark_errors.marked(f"source.where: `{where}`")))
    return F.coalesce(
        null_on_failure(without_common_subexpressions(f"cast({holds} AS STRING)", columns)), failure
    ) == F.lit(b"true")


def _parts(where: str, rows: DataFrame) -> list[str]:
    """Cut a condition into parts that must all be true, if Spark confirms the cuts; else return it whole."""
    # A condition such as `rand() < 0.5`, which counts or draws on each evaluation, is not cut: its parts are evaluated
    # twice for some rows and not at all for others
    cuts = () if users_sql.is_random(where) else users_sql.and_cuts(where)
    if not cuts:
        return [where]
    whole = rows.where(F.expr(where))
    for tried in (_without_those_of_between(where, cuts), cuts):
        parts = _cut(where, tried)
        if len(parts) > 1 and _means(rows, whole, parts):
            break
    else:
        parts = _cut(where, tuple(cut for cut in cuts if _means(rows, whole, _cut(where, (cut,)))))
        if not _means(rows, whole, parts):
            return [where]
    return parts if all(isinstance(_kind(part, rows), T.BooleanType) for part in parts) else [where]


def _without_those_of_between(where: str, cuts: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
    """Leave out the first cut after each BETWEEN, as a first guess that saves asking Spark about each cut."""
    betweens = [token.start for token in users_sql.read_tokens(where) if token.says("BETWEEN") and token.depth == 0]
    theirs = {next((cut for cut in cuts if cut[0] > start), None) for start in betweens}
    return tuple(cut for cut in cuts if cut not in theirs)


def _cut(where: str, cuts: tuple[tuple[int, int], ...]) -> list[str]:
    starts = [0, *[end for _, end in cuts]]
    ends = [*[start for start, _ in cuts], len(where)]
    return [where[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _means(rows: DataFrame, whole: DataFrame, parts: list[str]) -> bool:
    """Ask Spark whether a condition means the same as all these parts together."""
    # The line break ends a comment at the end of a part
    together = " AND ".join(f"({part}\n)" for part in parts)
    try:
        return whole.sameSemantics(rows.where(F.expr(together)))
    except (AnalysisException, ParseException):
        return False


def _is_safe(part: str, rows: DataFrame) -> bool:
    """Tell whether a part of a condition cannot fail because of a row, and has the same value on every evaluation."""
    comparisons = users_sql.read_comparisons(part)
    if comparisons is None or users_sql.is_random(part):
        return False
    # A word that the parser takes for a function of the session is a column if a column has this name
    if users_sql.find_changing_parts(part).words & {name.lower() for name in rows.columns}:
        return False
    return all(_is_comparable(comparison, rows) for comparison in comparisons)


def _is_comparable(comparison: users_sql.Comparison, rows: DataFrame) -> bool:
    """Tell whether a comparison needs no cast of a column.

    A cast of a text to a number or a date, for a comparison with one, may fail.
    """
    columns = [_kind(column, rows) for column in comparison.columns]
    # Without any column in scope, only expressions that are the same for all rows have a type
    constants = [_kind(constant, rows.select()) for constant in comparison.constants]
    kinds = [kind for kind in (*columns, *constants) if not isinstance(kind, T.NullType)]
    if not columns or any(not isinstance(kind, T.AtomicType) for kind in kinds):
        return False
    texts = {isinstance(kind, T.StringType) for kind in columns}
    if comparison.is_pattern:
        return texts == {True}
    if len(columns) == 1 and not constants and not comparison.is_null_test:
        return isinstance(columns[0], T.BooleanType)
    # A constant that does not fit its column fails while Spark plans the query, so no row matters
    if texts == {True}:
        return all(isinstance(kind, T.StringType) for kind in kinds)
    return texts == {False} and _fit_as_decimals(kinds)


def _fit_as_decimals(kinds: list[T.DataType | None]) -> bool:
    """Tell whether decimals can be compared without losing a digit; a lost digit is an error in Spark."""
    decimals = [kind for kind in kinds if isinstance(kind, T.DecimalType)]
    if not decimals:
        return True
    whole = [kind.precision - kind.scale for kind in decimals]
    whole += [_WHOLE_NUMBER_DIGITS.get(type(kind), 0) for kind in kinds if kind is not None]
    return max(whole) + max(kind.scale for kind in decimals) <= _MOST_DIGITS


def _kind(sql: str, rows: DataFrame) -> T.DataType | None:
    """Return the type that Spark gives to an expression; None if Spark refuses it."""
    try:
        return type_of(rows, sql)
    except (AnalysisException, ParseException):
        return None
