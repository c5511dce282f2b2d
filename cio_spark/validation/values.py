"""Checks inside properties, traits and context, at any depth, driven by the object's type."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.config.api_limits import MAX_ATTRIBUTES, MAX_NAME_BYTES, MAX_VALUE_BYTES

LeafCheck = Callable[[Column, T.DataType], Column | None]


def any_of(conditions: list[Column]) -> Column | None:
    """Whether any condition holds; None without conditions."""
    return reduce(lambda one, other: one | other, conditions) if conditions else None


def any_leaf(column: Column, kind: T.DataType, check: LeafCheck) -> Column | None:
    """Whether a leaf value anywhere inside fulfils `check`; None where no leaf's type can.

    Args:
        column: the value; its type is `kind`.
        kind: a type `to_json` carries.
        check: gives a condition for a leaf, or None for leaf types it has nothing to say about.
    """
    if isinstance(kind, T.StructType):
        found = [any_leaf(column.getField(item.name), item.dataType, check) for item in kind.fields]
        return any_of([item for item in found if item is not None])
    if isinstance(kind, T.ArrayType):
        return _any_element(column, kind.elementType, check)
    if isinstance(kind, T.MapType):
        return _any_element(F.map_values(column), kind.valueType, check)
    condition = check(column, kind)
    return None if condition is None else F.coalesce(condition, F.lit(False))


def _any_element(column: Column, kind: T.DataType, check: LeafCheck) -> Column | None:
    if any_leaf(F.lit(None).cast(kind), kind, check) is None:
        return None

    def holds(value: Column) -> Column:
        found = any_leaf(value, kind, check)
        return F.lit(False) if found is None else found

    return F.coalesce(F.exists(column, holds), F.lit(False))


def not_json_number(column: Column, kind: T.DataType) -> Column | None:
    """NaN and infinities are no JSON; `to_json` would write them as text, a silently wrong value."""
    if isinstance(kind, (T.FloatType, T.DoubleType)):
        return F.isnan(column) | (F.abs(column) == F.lit(float("inf")))
    return None


def value_too_long(column: Column, kind: T.DataType) -> Column | None:
    """Texts above the limit of an attribute's value."""
    return F.octet_length(column) > MAX_VALUE_BYTES if isinstance(kind, T.StringType) else None


def map_keys_of(column: Column, kind: T.DataType) -> list[Column]:
    """Names that only the data knows: keys of maps that are an object or a field of one."""
    if isinstance(kind, T.MapType):
        return [F.map_keys(column).cast("array<string>")]
    if isinstance(kind, T.StructType):
        return [keys for item in kind.fields for keys in map_keys_of(column.getField(item.name), item.dataType)]
    return []


def name_too_long(keys: Column) -> Column:
    """Whether a name is above the limit."""
    return F.coalesce(F.exists(keys, lambda key: F.octet_length(key) > MAX_NAME_BYTES), F.lit(False))


def reserved_name(keys: Column) -> Column:
    """Whether a name starts with `_`."""
    return F.coalesce(F.exists(keys, lambda key: key.startswith("_")), F.lit(False))


def too_many(keys: Column) -> Column:
    """Whether there are more attributes than a call may carry."""
    return F.coalesce(F.size(keys) > MAX_ATTRIBUTES, F.lit(False))
