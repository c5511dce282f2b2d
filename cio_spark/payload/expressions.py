"""Compiles a user's scalars to Columns, one by one, so that each problem carries its own path."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.config.payload import Literal
from cio_spark.errors import Problem
from cio_spark.payload.instants import as_instant
from cio_spark.spark.conf import read_setting
from cio_spark.spark.expression_types import UnfitExpressionError, fixed_value_type
from cio_spark.spark.sql import words_in

if TYPE_CHECKING:
    from cio_spark.config.payload import Scalar

# The text of an instant must be the same in all time zones of sessions
_INSTANT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
_INSTANT_OPTIONS = {"timeZone": "UTC", "timestampFormat": _INSTANT, "timestampNTZFormat": _INSTANT}
_WHITE_SPACE = " \t\n\r\x0b\x0c"
# Texts that Spark's casts make of NaN and infinities
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


class Expressions:
    """Compiles scalars against one DataFrame and collects every problem instead of stopping at the first.

    Args:
        rows: rows of the source.

    Attributes:
        problems: all problems, with their paths.
        with_star: paths of expressions that use every existing column, as `hash(*)` does.
    """

    def __init__(self, rows: DataFrame) -> None:
        self._rows = rows
        self.columns = rows.columns
        self.problems: list[Problem] = []
        self.with_star: list[str] = []

    @cached_property
    def are_case_sensitive(self) -> bool:
        """Tell whether Spark treats `plan` and `Plan` as two names in this session."""
        return str(read_setting(self._rows.sparkSession, "spark.sql.caseSensitive")).lower() == "true"

    def report(self, path: str, message: str) -> None:
        """Add a problem."""
        self.problems.append(Problem(path, message))

    def compile(self, path: str, scalar: Scalar) -> tuple[Column, T.DataType] | None:
        """Return the Column and the type of a scalar; if Spark refuses it, add a problem and return None."""
        if isinstance(scalar, Literal):
            column = F.lit(scalar.value) if scalar.value is not None else F.lit(None).cast("string")
            return column, self._rows.select(column.alias("x")).schema[0].dataType
        try:
            kind = fixed_value_type(self._rows, scalar, self.columns)
        except UnfitExpressionError as error:
            self.report(path, str(error))
            return None
        if "*" in scalar and words_in(scalar) is None:
            self.with_star.append(path)
        return F.expr(scalar), kind

    def compile_text(
        self, path: str, scalar: Scalar | None, *, blank_is_null: bool = False, is_id: bool = False
    ) -> Column | None:
        """Compile a scalar that is sent as text: an id or a name.

        Args:
            path: configuration path of the scalar.
            scalar: the scalar; None if there is none.
            blank_is_null: True if a text that is empty, or only white space, becomes null.
            is_id: True if the scalar identifies persons, rows or things. Then a fractional type is a problem, and the
                texts that a cast makes of NaN or an infinity become null.

        Returns:
            The text; None if there is no scalar, or if it has a problem.
        """
        compiled = None if scalar is None else self.compile(path, scalar)
        if compiled is None:
            return None
        column, kind = compiled
        if isinstance(kind, (T.ArrayType, T.MapType, T.StructType, T.BinaryType)):
            self.report(path, f"has type {kind.simpleString()}, which cannot be an id or a name; use an expression")
            return None
        if is_id and is_fractional(kind):
            self.report(path, no_fraction(kind))
            return None
        text = as_text(column, kind)
        if not isinstance(kind, T.StringType):
            return text
        if blank_is_null:
            text = without_blanks(text)
        # A constant is sent as the user wrote it
        return without_no_numbers(text) if is_id and not isinstance(scalar, Literal) else text

    def compile_instant(self, path: str, scalar: Scalar | None) -> tuple[Column, Column] | None:
        """Compile a scalar that is a point in time: a timestamp, or a date as midnight UTC.

        Returns:
            The instant, which is null outside of the years 1 to 9999, and the unchanged value; None if there is no
            scalar, or if it has a problem.
        """
        compiled = None if scalar is None else self.compile(path, scalar)
        if compiled is None:
            return None
        column, kind = compiled
        if isinstance(kind, (T.TimestampType, T.TimestampNTZType, T.DateType)):
            return as_instant(column, kind), column
        advice = "use timestamp_seconds(…) or timestamp_millis(…)"
        if isinstance(kind, T.StringType):
            advice = "use try_to_timestamp(…)"
        self.report(path, f"has type {kind.simpleString()}, but must be a timestamp or date; {advice}")
        return None


def is_fractional(kind: T.DataType) -> bool:
    """Tell whether a type has fractions, so that one number may have several texts: `1.2345678E7`, `1.50`."""
    return isinstance(kind, (T.FloatType, T.DoubleType)) or (isinstance(kind, T.DecimalType) and kind.scale > 0)


def no_fraction(kind: T.DataType) -> str:
    """Write the message that an id has a fractional type."""
    return (
        f"has type {kind.simpleString()}, whose values may have fractions, so they are no ids: cast it to bigint, "
        "or to decimal(38, 0), in an expression or in the source"
    )


def as_text(column: Column, kind: T.DataType) -> Column:
    """Return a value as text, whatever the session's time zone; times are ISO 8601 in UTC, with microseconds.

    Args:
        column: the value; a TIMESTAMP_NTZ is read as UTC.
        kind: type of the value.
    """
    if isinstance(kind, (T.TimestampType, T.TimestampNTZType)):
        return F.when(column.isNotNull(), F.to_csv(F.struct(column), _INSTANT_OPTIONS))
    return column.cast("string")


def without_no_numbers(text: Column) -> Column:
    """Return a text, or null if it is one that a cast makes of NaN or an infinity."""
    return F.when(~text.isin(*_NO_NUMBERS), text)


def without_blanks(text: Column) -> Column:
    """Return a text, or null if it is empty or only white space."""
    # White space and control characters sort before "!", so only texts that begin with one need the second check
    return F.when((text >= "!") | (F.btrim(text, F.lit(_WHITE_SPACE)) != ""), text)
