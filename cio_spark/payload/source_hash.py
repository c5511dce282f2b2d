"""Hashes source columns, so that a row whose hash has not changed needs no JSON to be recognised as unchanged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.spark import sql as users_sql
from cio_spark.spark.utf8 import REPLACED

_MICROSECONDS = "yyyy-MM-dd'T'HH:mm:ss.SSSSSS"
_JSON_OPTIONS = {
    "ignoreNullFields": "true",
    "timeZone": "UTC",
    "timestampFormat": _MICROSECONDS,
    "timestampNTZFormat": _MICROSECONDS,
    "dateFormat": "yyyy-MM-dd",
}
_EXACT = (
    T.BinaryType,
    T.BooleanType,
    T.ByteType,
    T.ShortType,
    T.IntegerType,
    T.LongType,
    T.DecimalType,
    T.DateType,
    T.TimestampType,
    T.TimestampNTZType,
)
_FRACTIONS = (T.FloatType, T.DoubleType)
_WITH_ITEMS = (T.ArrayType, T.MapType, T.StructType)


def hash_columns(identity: str, fields: Sequence[T.StructField]) -> Column | None:
    """Return a 64-bit hash of source columns, BIGINT; different values of one column never enter it as the same bytes.

    Spark's `xxhash64` ignores nulls and treats -0.0 as 0.0, so a flag for null and the text of zero enter it too.

    Args:
        identity: text that is the same only if equal rows become equal payloads.
        fields: the columns.

    Returns:
        The hash; null for a row with a nested text that is not UTF-8. None if a column has a type that is not hashed
        exactly, or two names differ only in case.
    """
    names = [field.name.lower() for field in fields]
    if len(set(names)) < len(names) or not all(_is_exact(field.dataType) for field in fields):
        return None
    inputs: list[Column] = [F.lit(identity)]
    readable = F.lit(True)
    for field in fields:
        column = F.col(users_sql.quoted(field.name))
        inputs += [column.isNull(), *_exact_inputs(column, field.dataType)]
        if isinstance(field.dataType, _WITH_ITEMS):
            # to_json replaces what is not UTF-8, so that two values would have one text
            readable = readable & ~F.coalesce(_as_json(column).contains(REPLACED), F.lit(False))
    return F.when(readable, F.xxhash64(*inputs))


def _is_exact(kind: T.DataType) -> bool:
    """Tell whether `_exact_inputs` distinguishes all values of a type."""
    if isinstance(kind, T.ArrayType):
        return _is_exact(kind.elementType)
    if isinstance(kind, T.MapType):
        # to_json writes a key that is no text as Java does, and bytes have no text of their own
        unfit = isinstance(kind.keyType, (*_WITH_ITEMS, T.BinaryType))
        return not unfit and _is_exact(kind.keyType) and _is_exact(kind.valueType)
    if isinstance(kind, T.StructType):
        # to_json leaves out nulls, and writes two fields of one name alike
        names = {field.name for field in kind.fields}
        return len(names) == len(kind.fields) and all(_is_exact(field.dataType) for field in kind.fields)
    return isinstance(kind, (T.StringType, *_EXACT, *_FRACTIONS))


def _exact_inputs(column: Column, kind: T.DataType) -> Iterator[Column]:
    if isinstance(kind, _WITH_ITEMS):
        yield _as_json(column)
    elif isinstance(kind, T.StringType):
        # Texts with a collation are hashed by their sort keys, which equal texts of other bytes share
        plain = getattr(kind, "collation", "UTF8_BINARY") == "UTF8_BINARY"
        yield column if plain else column.cast("binary")
    else:
        yield column
        if isinstance(kind, _FRACTIONS):
            yield F.when(column == 0, column.cast("string"))


def _as_json(column: Column) -> Column:
    return F.to_json(F.struct(column.alias("value")), _JSON_OPTIONS)
