"""`source.where` as Columns: it drops the rows it does not hold for, and never makes Spark quote a value.

Spark quotes the value on which an expression fails, and does so in its own logs and its event log too. A condition that
may fail is therefore evaluated inside a `try_` function, which gives null for whatever is raised inside it; null then
raises a text of ours (docs/decisions/0011-expressions-that-fail.md).
"""

from __future__ import annotations

import re
from functools import reduce

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark import spark_errors

_AND = re.compile(r"\bAND\b", re.IGNORECASE)
# Where these stand, cutting at AND could change the meaning
_NOT_TO_CUT = re.compile(r"\bOR\b|--|/\*", re.IGNORECASE)
_COLUMN = r"\s*(?P<column>`(?:[^`]|``)+`|[^\W\d]\w*)\s*"
_COMPARED = re.compile(_COLUMN + r"(?:==?|<=>|<>|!=|<=|>=|<|>)(?P<value>[^=<>].*)", re.DOTALL)
_LISTED = re.compile(_COLUMN + r"\b(?:NOT\s+)?IN\s*\((?P<values>.*)\)\s*", re.DOTALL | re.IGNORECASE)
_NULL = re.compile(_COLUMN + r"\bIS\s+(?:NOT\s+)?NULL\s*", re.IGNORECASE)


def keep(rows: DataFrame, where: str) -> DataFrame:
    """The rows for which a condition holds.

    Parts that compare a column with what is the same for all rows cannot fail; they stay plain, for Spark skips files
    by them. The others are asked of the rows these leave, in the order they are written, a later one only where the
    earlier ones hold.

    Args:
        rows: the source's rows.
        where: the condition, known to be one.
    """
    parts = _parts(where, rows)
    safe = [part for part in parts if _is_safe(part, rows)]
    # A subquery becomes a join, and there is no putting a function around that
    if len(safe) == len(parts) or spark_errors.has_subquery(where):
        return rows.where(F.expr(where))
    plain = reduce(lambda kept, part: kept.where(F.expr(part)), safe, rows)
    try:
        return plain.where(_tried(parts, where))
    except AnalysisException:  # a Python UDF, which may stand in no lambda
        return rows.where(F.expr(where))


def _tried(parts: list[str], where: str) -> Column:
    holds = reduce(lambda rest, part: F.when(F.expr(part), rest).otherwise(False), reversed(parts), F.lit(True))
    # Spark evaluates what expressions have in common ahead of them, outside of any function; not so inside a lambda
    alone = F.transform(F.array(F.lit(0)), lambda _: holds.cast("string"))
    text = F.try_to_binary(F.concat_ws("", alone), F.lit("utf-8"))
    return F.coalesce(text, F.raise_error(F.lit(spark_errors.marked(f"source.where: `{where}`")))) == F.lit(b"true")


def _parts(where: str, rows: DataFrame) -> list[str]:
    """What must hold at once; the whole condition where that is not plain to see."""
    parts = [part.strip() for part in _AND.split(where)]
    if _NOT_TO_CUT.search(where) or not all(isinstance(_kind(part, rows), T.BooleanType) for part in parts):
        return [where]
    return parts


def _is_safe(part: str, rows: DataFrame) -> bool:
    """Whether a part of a condition cannot fail because of a row, and is the same whenever it is asked."""
    if _NULL.fullmatch(part):
        return True
    found = _COMPARED.fullmatch(part) or _LISTED.fullmatch(part)
    if found is None or spark_errors.is_random(part):
        return False
    column = _kind(found["column"], rows)
    # Without a column to name, what is the same for all rows remains
    value = found["value"] if "value" in found.groupdict() else f"array({found['values']})"
    kind = _kind(value, rows.select())
    if isinstance(kind, T.ArrayType):
        kind = kind.elementType
    if column is None or kind is None or isinstance(column, (T.ArrayType, T.MapType, T.StructType)):
        return False
    # A text is made a number or a date to be compared with one, and that may fail
    return not isinstance(column, T.StringType) or isinstance(kind, T.StringType)


def _kind(sql: str, rows: DataFrame) -> T.DataType | None:
    """The type of an expression; None if it is none."""
    try:
        return rows.select(F.expr(sql).alias("x")).schema[0].dataType
    except (AnalysisException, ParseException):
        return None
