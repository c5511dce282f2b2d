"""Turns times of any type into instants and seconds in UTC, whatever the session's time zone; none overflows."""

from __future__ import annotations

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.config.api_limits import EARLIEST_SECOND, END_SECOND

TIMES = (T.TimestampType, T.TimestampNTZType, T.DateType)
_DAY_SECONDS = 86_400
_FIRST, _LAST = "0001-01-01", "9999-12-31"


def as_instant(column: Column, kind: T.DataType) -> Column:
    """Convert a time to a TIMESTAMP; the result is null outside of the years 1 to 9999, and validation refuses the row.

    Args:
        column: the value; a date means its midnight, and a date or TIMESTAMP_NTZ is read as UTC.
        kind: type of the value, one of `TIMES`.
    """
    if isinstance(kind, T.DateType):
        return F.timestamp_seconds(_midnight(column))
    if isinstance(kind, T.TimestampNTZType):
        return without_zone_as_utc(column)
    earliest, end = (F.timestamp_seconds(F.lit(second)) for second in (EARLIEST_SECOND, END_SECOND))
    return F.when((column >= earliest) & (column < end), column)


def as_seconds(column: Column, kind: T.DataType) -> Column:
    """Return the whole seconds from 1970 to a time; arguments and nulls are those of `as_instant`."""
    if isinstance(kind, T.DateType):
        return _midnight(column)
    return F.unix_seconds(as_instant(column, kind))


def without_zone_as_utc(column: Column) -> Column:
    """Read a TIMESTAMP_NTZ as UTC; the result is null outside of the years 1 to 9999.

    The instant is computed from the parts of the value, which no time zone changes. Spark's differences and casts would
    read the value in the session's time zone, where the hour that summer time leaves out moves.
    """
    day = column.cast("date")
    seconds = F.hour(column) * 3600 + F.minute(column) * 60
    micros = _midnight(day) * 1_000_000 + seconds.cast("bigint") * 1_000_000 + _micros_of_minute(column)
    return F.timestamp_micros(micros)


def _micros_of_minute(column: Column) -> Column:
    return (F.extract(F.lit("SECOND"), column) * 1_000_000).cast("bigint")


def _midnight(day: Column) -> Column:
    known = F.when((day >= F.lit(_FIRST).cast("date")) & (day <= F.lit(_LAST).cast("date")), day)
    return F.unix_date(known).cast("bigint") * _DAY_SECONDS
