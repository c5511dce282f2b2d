"""Makes columns of any type ready for `to_json`: times in the format of their policy, and maps in a fixed order.

Decimals stay numbers, digit for digit, as `to_json` writes them; validation finds NaN and infinities.
"""

from __future__ import annotations

from collections.abc import Callable

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.payload.expressions import as_text
from cio_spark.payload.instants import TIMES, as_seconds

# Options of to_json: every timestamp, at any depth, is ISO 8601 in UTC with milliseconds (docs/configuration.md,
# Payload). The session decides the options that are missing here.
JSON_OPTIONS = {
    "ignoreNullFields": "true",
    "timeZone": "UTC",
    "timestampFormat": "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
    "timestampNTZFormat": "yyyy-MM-dd'T'HH:mm:ss.SSS'Z'",
    "dateFormat": "yyyy-MM-dd",
}

_PLAIN = (T.StringType, T.BooleanType, T.ByteType, T.ShortType, T.IntegerType, T.LongType)
_NUMBERS = (T.FloatType, T.DoubleType, T.DecimalType)


def unsupported_type(kind: T.DataType) -> str | None:
    """Return the name of a type inside `kind` that JSON cannot carry; None if there is none."""
    if isinstance(kind, T.ArrayType):
        return unsupported_type(kind.elementType)
    if isinstance(kind, T.MapType):
        if isinstance(kind.keyType, (T.ArrayType, T.MapType, T.StructType, T.BinaryType)):
            return f"map with keys of type {kind.keyType.simpleString()}"
        return unsupported_type(kind.valueType)
    if isinstance(kind, T.StructType):
        return next((name for item in kind.fields if (name := unsupported_type(item.dataType))), None)
    if isinstance(kind, _PLAIN + _NUMBERS + TIMES + (T.NullType,)):
        return None
    return kind.simpleString()


def unclear_field(kind: T.DataType, *, case_sensitive: bool) -> str | None:
    """Return two field names of one struct, at any depth, that Spark cannot tell apart; None if there are none.

    JSON could carry `plan` and `Plan`, but Spark's look-ups inside a struct usually ignore case.
    """
    if isinstance(kind, T.ArrayType):
        return unclear_field(kind.elementType, case_sensitive=case_sensitive)
    if isinstance(kind, T.MapType):
        return unclear_field(kind.valueType, case_sensitive=case_sensitive)
    if not isinstance(kind, T.StructType):
        return None
    seen: dict[str, str] = {}
    for name in kind.fieldNames():
        looked_up = name if case_sensitive else name.lower()
        if looked_up in seen:
            return f"`{seen[looked_up]}` and `{name}`"
        seen[looked_up] = name
    inside = (unclear_field(item.dataType, case_sensitive=case_sensitive) for item in kind.fields)
    return next((found for found in inside if found), None)


def _needs_work(kind: T.DataType, unix_seconds: bool) -> bool:
    """Tell whether `to_json` alone would write `kind` differently from what cio_spark promises."""
    if isinstance(kind, T.ArrayType):
        return _needs_work(kind.elementType, unix_seconds)
    if isinstance(kind, T.StructType):
        return any(_needs_work(item.dataType, unix_seconds) for item in kind.fields)
    if isinstance(kind, (T.MapType, T.NullType)):
        return True
    return unix_seconds and isinstance(kind, TIMES)


def json_ready(column: Column, kind: T.DataType, *, unix_seconds: bool, drop_nulls: bool) -> Column:
    """Return the column in the form that `to_json` needs.

    Args:
        column: the value.
        kind: type of the value.
        unix_seconds: True if timestamps and dates become whole seconds since 1970, UTC; otherwise `to_json` writes them
            as ISO 8601.
        drop_nulls: True if null values of maps are left out. `to_json` itself drops null fields of structs. Nulls in
            arrays stay, because their position has a meaning.
    """
    if not _needs_work(kind, unix_seconds):
        return column

    def inner(value: Column, value_kind: T.DataType) -> Column:
        return json_ready(value, value_kind, unix_seconds=unix_seconds, drop_nulls=drop_nulls)

    if isinstance(kind, T.NullType):
        return column.cast("string")
    if isinstance(kind, TIMES):
        return as_seconds(column, kind)
    if isinstance(kind, T.ArrayType):
        element = kind.elementType
        return F.transform(column, lambda value: inner(value, element))
    if isinstance(kind, T.StructType):
        fields = [inner(column.getField(item.name), item.dataType).alias(item.name) for item in kind.fields]
        return F.when(column.isNotNull(), F.struct(*fields))
    if isinstance(kind, T.MapType):
        return _sorted_map(column, kind, inner, drop_nulls)
    return column


def _sorted_map(
    column: Column, kind: T.MapType, inner: Callable[[Column, T.DataType], Column], drop_nulls: bool
) -> Column:
    """Bring equal maps into one order; otherwise their JSON, and therefore its hash, would differ.

    `from_json`, and files of other engines, give maps in which a key occurs twice. Spark's builder of maps would end
    the whole job on such a map. Here each key is kept once, and validation refuses the row.
    """
    values = F.map_filter(column, lambda _, value: value.isNotNull()) if drop_nulls else column
    keys = F.array_sort(F.array_distinct(F.map_keys(values)))
    key_kind, value_kind = kind.keyType, kind.valueType
    names = F.transform(keys, lambda key: as_text(key, key_kind)) if isinstance(key_kind, TIMES) else keys
    return F.map_from_arrays(names.cast("array<string>"), F.transform(keys, lambda key: inner(values[key], value_kind)))
