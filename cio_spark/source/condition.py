"""`source.where` as Columns: it drops the rows it does not hold for, and never makes Spark quote a value.

What may fail is evaluated where nothing can be raised (`caught.py`), and then raises a text of ours.
"""

from __future__ import annotations

import re
from functools import reduce

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark import spark_errors
from cio_spark.source.caught import alone, caught

_WORD_OR_BRACKET = re.compile(r"\w+|[()\[\]]")
_COMMENT = re.compile(r"--|/\*")
_COLUMN = re.compile(rf"{spark_errors.NAME}(?:\.{spark_errors.NAME})*")
_COMPARED = re.compile(r"(?P<one>[^=<>!]+)(?:==?|<=>|<>|!=|<=|>=|<|>)(?P<other>[^=<>!]+)", re.DOTALL)
_LISTED = re.compile(r"(?P<one>.+?)\s+(?:NOT\s+)?IN\s*\((?P<others>.*)\)", re.DOTALL | re.IGNORECASE)
_BETWEEN = re.compile(
    r"(?P<one>.+?)\s+(?:NOT\s+)?BETWEEN\s+(?P<low>.+?)\s+AND\s+(?P<high>.+)", re.DOTALL | re.IGNORECASE
)
_LIKE = re.compile(r"(?P<one>.+?)\s+(?:NOT\s+)?LIKE\s+(?P<other>.+)", re.DOTALL | re.IGNORECASE)
_NULL = re.compile(r"(?P<one>.+?)\s+IS\s+(?:NOT\s+)?NULL", re.DOTALL | re.IGNORECASE)
_NOT = re.compile(r"NOT\b(?P<rest>.+)", re.DOTALL | re.IGNORECASE)


def keep(rows: DataFrame, where: str) -> DataFrame:
    """The rows for which a condition holds.

    Parts that compare columns with what is the same for all rows cannot fail; they stay plain, for Spark skips files by
    them. The others are asked of the rows these leave, in the order they are written, a later one only where the
    earlier ones hold.

    Args:
        rows: the source's rows.
        where: the condition, known to be one.

    Raises:
        AnalysisException: Spark finds that it is none after all.
    """
    parts = _parts(where, rows)
    safe = [part for part in parts if _is_safe(part, rows)]
    # A subquery becomes a join, and there is no putting a function around that
    if len(safe) == len(parts) or spark_errors.has_subquery(where):
        return spark_errors.analysed(rows.where(F.expr(where)))
    plain = reduce(lambda kept, part: kept.where(F.expr(part)), safe, rows)
    try:
        return spark_errors.analysed(plain.where(_guarded(parts, where)))
    except AnalysisException:  # what may stand in no lambda: a Python UDF, a subquery of VALUES
        return spark_errors.analysed(rows.where(F.expr(where)))


def _guarded(parts: list[str], where: str) -> Column:
    holds = reduce(lambda rest, part: F.when(F.expr(part), rest).otherwise(False), reversed(parts), F.lit(True))
    failure = F.raise_error(F.lit(spark_errors.marked(f"source.where: `{where}`")))
    return F.coalesce(caught(alone(holds.cast("string"))), failure) == F.lit(b"true")


def _parts(where: str, rows: DataFrame) -> list[str]:
    """What must hold at once; the whole condition where that is not plain to see."""
    if _COMMENT.search(spark_errors.blanked(where)) or len(_cut(where, "OR")) > 1:
        return [where]
    parts = _cut(where, "AND")
    return parts if all(isinstance(_kind(part, rows), T.BooleanType) for part in parts) else [where]


def _cut(sql: str, word: str) -> list[str]:
    """The pieces between a word that stands outside of quotes, brackets, CASE … END and BETWEEN … AND."""
    pieces, start, depth, between = [], 0, 0, False
    for found in _WORD_OR_BRACKET.finditer(spark_errors.blanked(sql)):
        token = found.group().upper()
        if token in {"(", "[", "CASE"}:
            depth += 1
        elif token in {")", "]", "END"}:
            depth -= 1
        elif depth == 0 and token == "BETWEEN":
            between = True
        elif depth == 0 and token == "AND" and between:
            between = False
        elif depth == 0 and token == word:
            pieces.append(sql[start : found.start()].strip())
            start = found.end()
    return [*pieces, sql[start:].strip()]


def _is_safe(part: str, rows: DataFrame) -> bool:
    """Whether a part of a condition cannot fail because of a row, and is the same whenever it is asked."""
    part = _without_brackets(part.strip())
    for word in ("OR", "AND"):
        if len(pieces := _cut(part, word)) > 1:
            return all(_is_safe(piece, rows) for piece in pieces)
    if negated := _NOT.fullmatch(part):
        return _is_safe(negated["rest"], rows)
    # Their places are found where quoted texts are blanked out
    blank = spark_errors.blanked(part)
    for kind in (_NULL, _BETWEEN, _LISTED, _LIKE, _COMPARED):
        if found := kind.fullmatch(blank):
            operands = [part[slice(*found.span(name))].strip() for name in found.groupdict()]
            return not spark_errors.is_random(part) and _are_comparable(operands, rows)
    return False


def _without_brackets(part: str) -> str:
    """A part without the brackets around the whole of it."""
    while part.startswith("(") and part.endswith(")"):
        depth = 0
        for place, sign in enumerate(spark_errors.blanked(part)):
            depth += {"(": 1, ")": -1}.get(sign, 0)
            if depth == 0 and place < len(part) - 1:
                return part
        part = part[1:-1].strip()
    return part


def _are_comparable(operands: list[str], rows: DataFrame) -> bool:
    """Whether these are columns and what is the same for all rows, and no column is made another type to compare them.

    A text is made a number or a date to be compared with one, and that may fail.
    """
    columns: set[bool] = set()
    constants: set[bool] = set()
    for operand in operands:
        if is_column := _is_column(operand, rows):
            kind = _kind(operand, rows)
        else:  # where there is no column to name, what is the same for all rows remains; a list is one operand
            listed = _kind(f"array({operand})", rows.select())
            kind = listed.elementType if isinstance(listed, T.ArrayType) else None
        if kind is None or isinstance(kind, (T.ArrayType, T.MapType, T.StructType)):
            return False
        (columns if is_column else constants).add(isinstance(kind, T.StringType))
    # A constant that does not fit its column fails while the query is planned, for all rows alike
    return columns == {False} or (columns == {True} and False not in constants)


def _is_column(operand: str, rows: DataFrame) -> bool:
    if _COLUMN.fullmatch(operand) is None:
        return False
    named = operand.strip("`").lower() in (name.lower() for name in rows.columns)
    return named or _kind(operand, rows.select()) is None


def _kind(sql: str, rows: DataFrame) -> T.DataType | None:
    """The type of an expression; None if it is none."""
    try:
        return spark_errors.type_of(rows, sql)
    except (AnalysisException, ParseException):
        return None
