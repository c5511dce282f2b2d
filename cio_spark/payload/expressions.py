"""A user's scalars as Columns, each analysed alone so that a problem carries its own path."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark import spark_errors
from cio_spark.config.payload import Literal
from cio_spark.errors import Problem
from cio_spark.schemas import ORDER_PREFIX

if TYPE_CHECKING:
    from cio_spark.config.payload import Scalar

# Another value in every query: the survey and the delivery would see different payloads.
_VOLATILE = re.compile(
    r"\b(current_date|current_timestamp|curdate|now|localtimestamp|rand|randn|random|uuid|randstr|shuffle|"
    r"monotonically_increasing_id|spark_partition_id|input_file_name|unix_timestamp\s*\(\s*\))\b",
    re.IGNORECASE,
)
_QUOTED = re.compile(r"'(?:[^'\\]|\\.|'')*'|\"(?:[^\"\\]|\\.)*\"")


def is_volatile(sql: str) -> bool:
    """Whether an expression gives another value each time it is evaluated (text in quotes aside)."""
    return _VOLATILE.search(_QUOTED.sub("''", sql)) is not None


class Expressions:
    """Compiles scalars against one DataFrame and collects every problem instead of stopping at the first.

    Args:
        rows: the source's rows.

    Attributes:
        problems: what was wrong, with paths.
    """

    def __init__(self, rows: DataFrame) -> None:
        self._rows = rows
        # The source stage ranks duplicates by columns of its own, which are none of the user's
        self.columns = [name for name in rows.columns if not name.startswith(ORDER_PREFIX)]
        self.problems: list[Problem] = []

    def report(self, path: str, message: str) -> None:
        """Notes a problem."""
        self.problems.append(Problem(path, message))

    def compile(self, path: str, scalar: Scalar) -> tuple[Column, T.DataType] | None:
        """The Column and type of a scalar; None, and a problem noted, if Spark refuses it."""
        if isinstance(scalar, Literal):
            column = F.lit(scalar.value) if scalar.value is not None else F.lit(None).cast("string")
            return column, self._rows.select(column.alias("x")).schema[0].dataType
        if is_volatile(scalar):
            self.report(
                path,
                "has another value on every run, so every record would count as changed; compute it in source.query, "
                "which runs once per run",
            )
            return None
        try:
            column = F.expr(scalar)
            schema = self._rows.select(column.alias("x")).schema
        except (AnalysisException, ParseException) as error:
            self.report(path, spark_errors.analysis_problem(error, self.columns))
            return None
        return column, schema[0].dataType

    def compile_text(self, path: str, scalar: Scalar | None) -> Column | None:
        """A scalar that is sent as text: ids, names."""
        compiled = None if scalar is None else self.compile(path, scalar)
        if compiled is None:
            return None
        column, kind = compiled
        if isinstance(kind, (T.ArrayType, T.MapType, T.StructType, T.BinaryType)):
            self.report(path, f"has type {kind.simpleString()}, which cannot be an id or a name; use an expression")
            return None
        return column.cast("string")

    def compile_instant(self, path: str, scalar: Scalar | None) -> Column | None:
        """A scalar that is a point in time: timestamp, or date as midnight UTC."""
        compiled = None if scalar is None else self.compile(path, scalar)
        if compiled is None:
            return None
        column, kind = compiled
        if isinstance(kind, T.TimestampType):
            return column
        if isinstance(kind, T.TimestampNTZType):
            return without_zone_as_utc(column)
        if isinstance(kind, T.DateType):
            return F.timestamp_seconds(F.unix_date(column).cast("bigint") * 86400)
        advice = "use timestamp_seconds(…) or timestamp_millis(…)"
        if isinstance(kind, T.StringType):
            advice = "use try_to_timestamp(…)"
        self.report(path, f"has type {kind.simpleString()}, but must be a timestamp or date; {advice}")
        return None


def without_zone_as_utc(column: Column) -> Column:
    """A TIMESTAMP_NTZ read as UTC, whatever the session's time zone."""
    micros = F.timestamp_diff("MICROSECOND", F.lit("1970-01-01 00:00:00").cast("timestamp_ntz"), column)
    return F.timestamp_micros(micros)
