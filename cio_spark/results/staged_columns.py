"""Gives staged columns names and types that every Delta table accepts, and restores the original ones.

A source may have names, types and properties that a plain Delta table refuses. The original name and type are kept as
metadata of the staged column, so that another run can recover a run that died.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.spark.sql import quoted

_ORIGIN = "cio_spark.origin"
_UNUSED = "cio_spark.unused"
_HELD = (T.StringType, T.BinaryType, T.BooleanType, T.NumericType, T.DateType, T.TimestampType, T.TimestampNTZType)


def type_to_stage(kind: T.DataType) -> T.DataType | None:
    """Find the plain type in which Delta can store values of a type; return None if there is none.

    Fields get our own names, every value may be null, a text has no collation, and the type that is always null becomes
    a text.
    """
    if isinstance(kind, T.StructType):
        kinds = [type_to_stage(field.dataType) for field in kind.fields]
        if None in kinds:
            return None
        return T.StructType([T.StructField(f"f{place}", of) for place, of in enumerate(kinds) if of is not None])
    if isinstance(kind, T.ArrayType):
        element = type_to_stage(kind.elementType)
        return element and T.ArrayType(element)
    if isinstance(kind, T.MapType):
        key, value = type_to_stage(kind.keyType), type_to_stage(kind.valueType)
        return T.MapType(key, value) if key is not None and value is not None else None
    if isinstance(kind, (T.StringType, T.NullType)):
        return T.StringType()
    # The type is compared by name, because Spark 3.5 has no variant type
    if isinstance(kind, _HELD) or kind.typeName() == "variant":
        return kind
    return None


def columns_to_stage(rows: DataFrame, used: Collection[str]) -> DataFrame:
    """Select the columns to stage, under our own names.

    Args:
        rows: the source's rows.
        used: names of the columns to keep, at least one; `type_to_stage` must find a type for each.
    """
    schema = rows.schema
    # The columns are named by position, because original names may differ only in case
    placed = rows.toDF(*[f"c{place}" for place in range(len(schema))])
    unused = [field.name for field in schema if field.name not in used]
    columns: list[Column] = []
    for place, field in enumerate(schema):
        if field.name not in used:
            continue
        kind = type_to_stage(field.dataType)
        assert kind is not None, field.name
        bare = T.StructField(field.name, _bare(field.dataType))
        # Metadata of our own replaces that of the source: defaults, generated columns, column mapping
        metadata: dict[str, Any] = {_ORIGIN: json.dumps({"place": place, **bare.jsonValue()})}
        if not columns:
            metadata[_UNUSED] = json.dumps(unused)
        columns.append(F.col(f"c{place}").cast(kind).alias(f"c{place}", metadata=metadata))
    return placed.select(*columns)


def columns_as_they_were(staged: DataFrame) -> DataFrame:
    """Restore the original names, types and order of staged columns.

    Args:
        staged: the staged table.

    Returns:
        The rows. Columns that were not staged exist only by name: reading one of them fails.
    """
    fields = [field for field in staged.schema if _ORIGIN in field.metadata]
    if not fields:  # staged by an earlier version of this package
        return staged
    found: dict[int, Column] = {}
    for field in fields:
        origin = json.loads(field.metadata[_ORIGIN])
        was = T.StructField.fromJson(origin)
        column = (
            F.lit(None) if isinstance(was.dataType, T.NullType) else F.col(field.name).cast(_restored(was.dataType))
        )
        # A new name alone would keep the metadata of the staged column
        found[origin["place"]] = column.alias(was.name, metadata={"staged": field.name})
    unused = next(json.loads(field.metadata[_UNUSED]) for field in fields if _UNUSED in field.metadata)
    missing = iter(unused)
    columns = [found[place] if place in found else _unread(next(missing)) for place in range(len(found) + len(unused))]
    return staged.select(*columns)


def _unread(name: str) -> Column:
    """Return a column that nobody is known to use; if it is read after all, it raises an error and is not null."""
    return F.raise_error(F.lit(f"column {quoted(name)} was not staged")).alias(name)


def _bare(kind: T.DataType) -> T.DataType:
    """Return a type without the metadata of its fields."""
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(field.name, _bare(field.dataType)) for field in kind.fields])
    if isinstance(kind, T.ArrayType):
        return T.ArrayType(_bare(kind.elementType))
    if isinstance(kind, T.MapType):
        return T.MapType(_bare(kind.keyType), _bare(kind.valueType))
    return kind


def _restored(kind: T.DataType) -> T.DataType:
    """Return a type to which values can be cast: the type that is always null, to which nothing can, becomes a text."""
    if isinstance(kind, T.StructType):
        return T.StructType([T.StructField(field.name, _restored(field.dataType)) for field in kind.fields])
    if isinstance(kind, T.ArrayType):
        return T.ArrayType(_restored(kind.elementType))
    if isinstance(kind, T.MapType):
        return T.MapType(_restored(kind.keyType), _restored(kind.valueType))
    return T.StringType() if isinstance(kind, T.NullType) else kind
