"""Checks values inside properties, traits and context at any depth, guided by the type of the object."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.config.api_limits import (
    EARLIEST_SECOND,
    END_SECOND,
    MAX_ATTRIBUTES,
    MAX_NAME_BYTES,
    MAX_VALUE_BYTES,
)
from cio_spark.spark.utf8 import is_utf8

Check = Callable[[Column, T.DataType], Column | None]
_FIRST, _AFTER_LAST = "0001-01-01", "+10000-01-01"


def any_of(conditions: list[Column]) -> Column | None:
    """Return a condition that is true if any of the conditions is; None if there are no conditions."""
    return reduce(lambda one, other: one | other, conditions) if conditions else None


def any_value(column: Column, kind: T.DataType, check: Check) -> Column | None:
    """Return a condition that is true if any value inside fulfils `check`; None if no value's type can.

    Args:
        column: the value; its type is `kind`.
        kind: a type that `to_json` can write.
        check: function that returns a condition for a value, or None for types that it does not concern. It is called
            for structs, arrays and maps, and for what is inside them.
    """
    condition = check(column, kind)
    found = [None if condition is None else F.coalesce(condition, F.lit(False))]
    if isinstance(kind, T.StructType):
        found += [any_value(column.getField(item.name), item.dataType, check) for item in kind.fields]
    if isinstance(kind, T.ArrayType):
        found.append(_any_element(column, kind.elementType, check))
    if isinstance(kind, T.MapType):
        found.append(_any_element(F.map_values(column), kind.valueType, check))
    return any_of([item for item in found if item is not None])


def _any_element(column: Column, kind: T.DataType, check: Check) -> Column | None:
    if any_value(F.lit(None).cast(kind), kind, check) is None:
        return None

    def holds(value: Column) -> Column:
        found = any_value(value, kind, check)
        return F.lit(False) if found is None else found

    return F.coalesce(F.exists(column, holds), F.lit(False))


def has_non_json_number(column: Column, kind: T.DataType) -> Column | None:
    """Find NaN and infinities, which are not JSON; `to_json` would silently write them as texts, a wrong value."""
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return F.isnan(column) | (F.abs(column) == F.lit(float("inf")))
    return None


def value_too_long(column: Column, kind: T.DataType) -> Column | None:
    """Find texts above the limit of an attribute's value."""
    return F.octet_length(column) > MAX_VALUE_BYTES if isinstance(kind, T.StringType) else None


def not_utf8(column: Column, kind: T.DataType) -> Column | None:
    """Find texts, and keys of maps, that are not UTF-8.

    `to_json` would replace bytes in them, and make one text of several.
    """
    if isinstance(kind, T.StringType):
        return ~is_utf8(column)
    if isinstance(kind, T.MapType) and isinstance(kind.keyType, T.StringType):
        return F.exists(F.map_keys(column), lambda key: ~is_utf8(key))
    return None


def has_duplicate_key(column: Column, kind: T.DataType) -> Column | None:
    """Find maps in which a key occurs twice, as `from_json` makes them."""
    if not isinstance(kind, T.MapType):
        return None
    keys = F.map_keys(column)
    return F.size(F.array_distinct(keys)) < F.size(keys)


def out_of_range(column: Column, kind: T.DataType) -> Column | None:
    """Find times, also as keys of maps, outside of the years 1 to 9999, for which the four digits of ISO 8601 suffice.

    Milliseconds that are read as seconds give years around 57,000.
    """
    if isinstance(kind, T.TimestampType):
        first, after_last = F.timestamp_seconds(F.lit(EARLIEST_SECOND)), F.timestamp_seconds(F.lit(END_SECOND))
    elif isinstance(kind, T.TimestampNTZType):
        first, after_last = _constant(_FIRST, "timestamp_ntz"), _constant(_AFTER_LAST, "timestamp_ntz")
    elif isinstance(kind, T.DateType):
        first, after_last = _constant(_FIRST, "date"), _constant(_AFTER_LAST, "date")
    elif isinstance(kind, T.MapType) and isinstance(kind.keyType, (T.TimestampType, T.TimestampNTZType, T.DateType)):
        return _any_element(F.map_keys(column), kind.keyType, out_of_range)
    else:
        return None
    return (column < first) | (column >= after_last)


def _constant(text: str, kind: str) -> Column:
    return F.lit(text).cast(kind)


def map_keys_of(column: Column, kind: T.DataType) -> list[Column]:
    """Return the names that only the data knows: keys of maps that are an object, or a field of one."""
    if isinstance(kind, T.MapType):
        return [F.map_keys(column).cast("array<string>")]
    if isinstance(kind, T.StructType):
        return [keys for item in kind.fields for keys in map_keys_of(column.getField(item.name), item.dataType)]
    return []


def name_too_long(keys: Column) -> Column:
    """Return a condition that is true if a name is above the limit."""
    return F.coalesce(F.exists(keys, lambda key: F.octet_length(key) > MAX_NAME_BYTES), F.lit(False))


def reserved_name(keys: Column) -> Column:
    """Return a condition that is true if a name starts with `_`."""
    return F.coalesce(F.exists(keys, lambda key: key.startswith("_")), F.lit(False))


def too_many(keys: Column) -> Column:
    """Return a condition that is true if there are more attributes than a call may carry."""
    return F.coalesce(F.size(keys) > MAX_ATTRIBUTES, F.lit(False))
