"""`source.where` as Columns: it drops the rows it does not hold for, and never makes Spark quote a value.

The whole condition always decides. What may fail is evaluated where nothing can be raised (`null_on_failure.py`), and
then raises a text of ours.
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
    """Keep the rows for which a condition holds.

    Parts that compare columns with what is the same for all rows cannot fail; they come first, for Spark skips files by
    them. Then the others are asked, in the order they are written, a later one only where the earlier ones hold, and
    last the whole condition: a part that was cut wrongly could not let a row through.

    Args:
        rows: the source's rows.
        where: the condition, known to be one.

    Raises:
        AnalysisException: Spark finds that it is none after all.
    """
    # A subquery becomes a join, and there is no putting a function around that
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
    except AnalysisException:  # what may stand in no lambda: a Python UDF, a subquery of VALUES
        return analysed(rows.where(F.expr(where)))


def _guarded(parts: list[str], where: str, columns: list[str]) -> Column:
    # A comment at the end of a text ends with its line; a CASE takes nothing but conditions
    asked = [*(parts if len(parts) > 1 else []), where]
    holds = reduce(lambda rest, part: f"CASE WHEN ({part}\n) THEN {rest} ELSE false END", reversed(asked), "true")
    failure = F.raise_error(F.lit(spark_errors.marked(f"source.where: `{where}`")))
    return F.coalesce(
        null_on_failure(without_common_subexpressions(f"cast({holds} AS STRING)", columns)), failure
    ) == F.lit(b"true")


def _parts(where: str, rows: DataFrame) -> list[str]:
    """Find the parts that must hold at once, cut where Spark says that it means the same; else the whole condition."""
    # What is asked twice of a row, and left out for another row, must not count the rows that it is asked about
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
    """Leave out the first cut behind each BETWEEN: a first guess, which saves asking about each."""
    betweens = [token.start for token in users_sql.read_tokens(where) if token.says("BETWEEN") and token.depth == 0]
    theirs = {next((cut for cut in cuts if cut[0] > start), None) for start in betweens}
    return tuple(cut for cut in cuts if cut not in theirs)


def _cut(where: str, cuts: tuple[tuple[int, int], ...]) -> list[str]:
    starts = [0, *[end for _, end in cuts]]
    ends = [*[start for start, _ in cuts], len(where)]
    return [where[start:end].strip() for start, end in zip(starts, ends, strict=True)]


def _means(rows: DataFrame, whole: DataFrame, parts: list[str]) -> bool:
    """Ask Spark whether a condition means that all these parts hold."""
    # A comment at the end of a part ends with its line
    together = " AND ".join(f"({part}\n)" for part in parts)
    try:
        return whole.sameSemantics(rows.where(F.expr(together)))
    except (AnalysisException, ParseException):
        return False


def _is_safe(part: str, rows: DataFrame) -> bool:
    """Tell whether a part of a condition cannot fail because of a row, and is the same whenever it is asked."""
    comparisons = users_sql.read_comparisons(part)
    if comparisons is None or users_sql.is_random(part):
        return False
    # What the reader takes for a function of the session is a column where there is one
    if users_sql.find_changing_parts(part).words & {name.lower() for name in rows.columns}:
        return False
    return all(_is_comparable(comparison, rows) for comparison in comparisons)


def _is_comparable(comparison: users_sql.Comparison, rows: DataFrame) -> bool:
    """Tell whether no column of a comparison is made another type for it.

    A text is made a number or a date to be compared with one, and that may fail.
    """
    columns = [_kind(column, rows) for column in comparison.columns]
    # Where there is no column to name, what is the same for all rows remains
    constants = [_kind(constant, rows.select()) for constant in comparison.constants]
    kinds = [kind for kind in (*columns, *constants) if not isinstance(kind, T.NullType)]
    if not columns or any(not isinstance(kind, T.AtomicType) for kind in kinds):
        return False
    texts = {isinstance(kind, T.StringType) for kind in columns}
    if comparison.is_pattern:
        return texts == {True}
    if len(columns) == 1 and not constants and not comparison.is_null_test:
        return isinstance(columns[0], T.BooleanType)
    # A constant that does not fit its column fails while the query is planned, for all rows alike
    if texts == {True}:
        return all(isinstance(kind, T.StringType) for kind in kinds)
    return texts == {False} and _fit_as_decimals(kinds)


def _fit_as_decimals(kinds: list[T.DataType | None]) -> bool:
    """Tell whether decimals are compared without losing a digit, which is an error where it happens."""
    decimals = [kind for kind in kinds if isinstance(kind, T.DecimalType)]
    if not decimals:
        return True
    whole = [kind.precision - kind.scale for kind in decimals]
    whole += [_WHOLE_NUMBER_DIGITS.get(type(kind), 0) for kind in kinds if kind is not None]
    return max(whole) + max(kind.scale for kind in decimals) <= _MOST_DIGITS


def _kind(sql: str, rows: DataFrame) -> T.DataType | None:
    """Ask Spark for the type of an expression; None if it is none."""
    try:
        return type_of(rows, sql)
    except (AnalysisException, ParseException):
        return None
