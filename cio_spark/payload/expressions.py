"""A user's scalars as Columns, each analysed alone so that a problem carries its own path."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.config.payload import Literal
from cio_spark.errors import Problem
from cio_spark.payload.instants import as_instant
from cio_spark.spark.expression_types import UnfitExpressionError, fixed_value_type
from cio_spark.spark.sql import words_in

if TYPE_CHECKING:
    from cio_spark.config.payload import Scalar

# Session time zones differ; the text of an instant must not
_INSTANT = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS'Z'"
_INSTANT_OPTIONS = {"timeZone": "UTC", "timestampFormat": _INSTANT, "timestampNTZFormat": _INSTANT}
_WHITE_SPACE = " \t\n\r\x0b\x0c"
# Texts that Spark's casts make of a number which is none
_NO_NUMBERS = ("NaN", "Infinity", "-Infinity")


class Expressions:
    """Compiles scalars against one DataFrame and collects every problem instead of stopping at the first.

    Args:
        rows: the source's rows.

    Attributes:
        problems: what was wrong, with paths.
        with_star: paths of expressions that take every column there is, as `hash(*)` does.
    """

    def __init__(self, rows: DataFrame) -> None:
        self._rows = rows
        self.columns = rows.columns
        self.problems: list[Problem] = []
        self.with_star: list[str] = []

    @cached_property
    def are_case_sensitive(self) -> bool:
        """Tell whether Spark takes `plan` and `Plan` for two names in this session."""
        return str(self._rows.sparkSession.conf.get("spark.sql.caseSensitive", "false")).lower() == "true"

    def report(self, path: str, message: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(path, message))

    def compile(self, path: str, scalar: Scalar) -> tuple[Column, T.DataType] | None:
        """The Column and type of a scalar; None, and a problem noted, if Spark refuses it."""
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
        """A scalar that is sent as text: ids, names.

        Args:
            path: of the scalar.
            scalar: None: there is none.
            blank_is_null: an empty text, or one of white space only, becomes null.
            is_id: it tells persons, rows or things apart: it must be no fraction, and what a cast makes of NaN or an
                infinity becomes null.
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
        # A constant is what the user wrote
        return without_no_numbers(text) if is_id and not isinstance(scalar, Literal) else text

    def compile_instant(self, path: str, scalar: Scalar | None) -> tuple[Column, Column] | None:
        """Compile a scalar that is a point in time: a timestamp, or a date as midnight UTC.

        Returns:
            the instant, null outside of the years 1 to 9999, and the value as it is; None if there is none.
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
    """Tell whether a type holds fractions, which make several texts of one number: `1.2345678E7`, `1.50`."""
    return isinstance(kind, (T.FloatType, T.DoubleType)) or (isinstance(kind, T.DecimalType) and kind.scale > 0)


def no_fraction(kind: T.DataType) -> str:
    """Say in a sentence that an id is of a fractional type."""
    return (
        f"has type {kind.simpleString()}, whose values may have fractions, so they are no ids: cast it to bigint, "
        "or to decimal(38, 0), in an expression or in the source"
    )


def as_text(column: Column, kind: T.DataType) -> Column:
    """A value as text, whatever the session's time zone: times in ISO 8601, UTC, to the microsecond.

    Args:
        column: the value; a TIMESTAMP_NTZ is read as UTC.
        kind: its type.
    """
    if isinstance(kind, (T.TimestampType, T.TimestampNTZType)):
        return F.when(column.isNotNull(), F.to_csv(F.struct(column), _INSTANT_OPTIONS))
    return column.cast("string")


def without_no_numbers(text: Column) -> Column:
    """Make null of a text that a cast has made of NaN or an infinity."""
    return F.when(~text.isin(*_NO_NUMBERS), text)


def without_blanks(text: Column) -> Column:
    """A text, or null if it is empty or all white space."""
    # Only texts that begin with white space or a control character, all of them below "!", are looked at twice
    return F.when((text >= "!") | (F.btrim(text, F.lit(_WHITE_SPACE)) != ""), text)
