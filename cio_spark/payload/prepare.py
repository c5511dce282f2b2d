"""Turns source rows into prepared records: one row per record, with everything that later stages need."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.config import api_limits as limits
from cio_spark.config.payload import FieldMapping, Literal, PayloadSection, TimestampFormat
from cio_spark.errors import ConfigurationError
from cio_spark.payload.call_json import call_json
from cio_spark.payload.expressions import Expressions, as_text, is_fractional, no_fraction, without_no_numbers
from cio_spark.payload.field_names import policy_problems
from cio_spark.payload.fields import build_object
from cio_spark.payload.json_values import JSON_OPTIONS
from cio_spark.spark import failures as spark_errors
from cio_spark.spark.utf8 import is_utf8

SCALARS = (
    "user_id",
    "anonymous_id",
    "email",
    "event",
    "name",
    "group_id",
    "object_id",
    "object_type_id",
    "previous_id",
    "device_token",
    "device_type",
)
# A blank value of these identifies nothing, so it becomes null; a blank value of the other scalars is sent
NAMING = ("user_id", "anonymous_id", "email", "event", "group_id", "object_id", "previous_id", "device_token")
# These identify persons and things, so they must not be fractions, nor texts that a cast makes of NaN
IDS = ("user_id", "anonymous_id", "email", "group_id", "object_id", "object_type_id", "previous_id", "device_token")
PERSON_KEYS = ("user_id", "anonymous_id", "email", "group_id", "object_id")
DEFAULT_FORMATS = {
    "properties": TimestampFormat.ISO,
    "traits": TimestampFormat.UNIX_SECONDS,
    "context": TimestampFormat.ISO,
}


def prepare_records(
    rows: DataFrame, section: PayloadSection, order: Sequence[Column] = (), source_hash: Column | None = None
) -> DataFrame:
    """Make a prepared record of every source row.

    Args:
        rows: rows of the source.
        section: the payload section.
        order: named columns that are passed through; the source stage ranks duplicates by them.
        source_hash: hash of the columns that the mapping reads, see `hash_columns`; None for none.

    Returns:
        `record_id` and `person_key` STRING (null if they are not UTF-8), `occurred_at` TIMESTAMP, `payload` STRING
        (JSON without messageId), `payload_hash` BIGINT, `payload_bytes` INT (bytes of UTF-8, without messageId) and
        `source_hash` BIGINT. For validation: `ids` STRUCT<record_id, user_id, …> with all scalars that are sent, where
        blank ones are null, and constants, which are checked here, have type VOID; `objects` STRUCT<properties, traits,
        context>, ready for JSON; `originals` STRUCT<timestamp, properties, …> with those unchanged values that may be
        out of range, have a key twice or be bad JSON.

    Raises:
        ConfigurationError: there are problems with columns, expressions or types; the error carries all of them.
    """
    expressions = Expressions(rows)
    section = _with_traits_of_scalars(section, expressions)
    constants = _constants(section, expressions)
    texts = {name: _compile_scalar(expressions, section, name) for name in SCALARS}
    record_id, record_id_as_it_is = _record_id(expressions, section.record_id_columns)
    instant = expressions.compile_instant("payload.timestamp", section.timestamp)
    objects = {
        name: build_object(expressions, section, name, default_format)
        for name, default_format in DEFAULT_FORMATS.items()
    }
    wanted = [
        name for name in DEFAULT_FORMATS if getattr(section, name, None) or getattr(section, f"{name}_from", None)
    ]
    if all(objects[name] is not None for name in wanted):  # else a problem is reported, and the names are unknown
        names = {name: item.names for name, item in objects.items() if item is not None}
        expressions.problems += policy_problems(section, names)
    reads_json_text = any(item is not None and item.read is not None for item in objects.values())
    for path in expressions.with_star if reads_json_text else ():
        # The `*` would include the additional column of the text that was read
        expressions.report(
            path, "has a `*`, which cannot stand beside JSON text in properties_from or traits_from: name the columns"
        )
    if expressions.problems:
        raise ConfigurationError(expressions.problems)
    occurred_at, time = instant or (None, None)
    sent = {name: F.lit(None) if name in constants else column for name, column in texts.items() if column is not None}
    built = {name: item for name, item in objects.items() if item is not None}
    originals = {"timestamp": time, **{name: item.original for name, item in built.items()}}
    read = [item.read.alias(item.read_as) for item in built.values() if item.read is not None]
    if read:
        rows = rows.select("*", *read)
    return rows.select(
        record_id.alias("record_id"),
        _person_key(texts).alias("person_key"),
        (F.lit(None).cast("timestamp") if occurred_at is None else occurred_at).alias("occurred_at"),
        call_json(section.call, texts, occurred_at, objects).alias("payload"),
        F.struct(record_id_as_it_is.alias("record_id"), *[column.alias(name) for name, column in sent.items()]).alias(
            "ids"
        ),
        _struct_of({name: item.checked for name, item in built.items()}).alias("objects"),
        _struct_of(originals).alias("originals"),
        (F.lit(None).cast("bigint") if source_hash is None else source_hash).alias("source_hash"),
        *order,
    ).select(
        "*",
        F.xxhash64("payload").alias("payload_hash"),
        F.octet_length("payload").alias("payload_bytes"),
    )


def _struct_of(columns: Mapping[str, Column | None]) -> Column:
    """Put columns into a struct by their names; without columns it gets one field, as Spark needs at least one."""
    given = [column.alias(name) for name, column in columns.items() if column is not None]
    return F.struct(*(given or [F.lit(None).alias("none")]))


def _compile_scalar(expressions: Expressions, section: PayloadSection, name: str) -> Column | None:
    path, scalar = f"payload.{name}", getattr(section, name)
    return expressions.compile_text(path, scalar, blank_is_null=name in NAMING, is_id=name in IDS)


def subject_column(rows: DataFrame, section: PayloadSection, name: str) -> Column:
    """Return one of the columns that identify a record, before anything else of the row is evaluated.

    Args:
        rows: rows of the source.
        section: the payload section, in which `prepare_records` finds no problems.
        name: `record_id` or `person_key`.
    """
    expressions = Expressions(rows)
    if name == "record_id":
        return _record_id(expressions, section.record_id_columns)[0]
    return _person_key({key: _compile_scalar(expressions, section, key) for key in PERSON_KEYS})


def _person_key(texts: Mapping[str, Column | None]) -> Column:
    """Return the key of a record's person; null if the key is not UTF-8, because Python could not read it."""
    key = F.coalesce(*[text for name in PERSON_KEYS if (text := texts[name]) is not None])
    return F.when(is_utf8(key), key)


def _with_traits_of_scalars(section: PayloadSection, expressions: Expressions) -> PayloadSection:
    """Add `email` of identify, or `object_type_id` of group, to the traits, because they are traits for the API."""
    named = section.call.spec.scalar_trait
    scalar = getattr(section, named) if named else None
    if named is None or scalar is None:
        return section
    if section.traits_from is not None:
        expressions.report(f"payload.{named}", f"cannot be joined with traits_from; put {named} into that column")
        return section
    traits = section.traits or FieldMapping.model_validate({})
    return section.model_copy(update={"traits": traits.model_copy(update={"set": {**traits.set, named: scalar}})})


def _constants(section: PayloadSection, expressions: Expressions) -> set[str]:
    """Return the names of the scalars that are the same for every row, and report those that no record could carry."""
    values = {name: scalar.value for name in SCALARS if isinstance(scalar := getattr(section, name), Literal)}
    for name, value in values.items():
        text = str(value)
        limit = limits.MAX_EVENT_NAME_BYTES if name == "event" else limits.MAX_ID_BYTES
        if name == "object_type_id" and value is not None and not re.fullmatch(limits.OBJECT_TYPE, text):
            expressions.report(f"payload.{name}", f"must be a whole number, such as 1, found {text!r}")
        elif name in NAMING and (value is None or not text.strip()):
            expressions.report(f"payload.{name}", "is empty")
        elif name in NAMING and name != "email" and len(text.encode()) > limit:
            expressions.report(f"payload.{name}", f"is longer than {limit} bytes")
    return {name for name, value in values.items() if value is not None}


def _record_id(expressions: Expressions, names: list[str]) -> tuple[Column, Column]:
    """Make the record id, and the text of it that validation sees.

    The id is one column as text, or several columns as a JSON array, so that two different ids cannot collide. It is
    null if one column is null or is not UTF-8, because replaced bytes would make one record of several.
    """
    parts: list[Column] = []
    for name in names:
        if name not in expressions.columns:
            expressions.report("payload.record_id", spark_errors.unknown_column(name, expressions.columns))
            continue
        compiled = expressions.compile("payload.record_id", f"`{name.replace('`', '``')}`")
        if compiled is None:
            continue
        column, kind = compiled
        if isinstance(kind, (T.ArrayType, T.MapType, T.StructType, T.BinaryType)):
            expressions.report("payload.record_id", f"`{name}` has type {kind.simpleString()}, which cannot name a row")
        if is_fractional(kind):
            expressions.report("payload.record_id", f"`{name}` {no_fraction(kind)}")
        text = as_text(column, kind)
        parts.append(without_no_numbers(text) if isinstance(kind, T.StringType) else text)
    if not parts:
        return F.lit(None).cast("string"), F.lit(None).cast("string")
    # A null part makes the condition null, which `when` treats as false. The blank between two parts keeps their bytes
    # from forming one character
    complete = reduce(lambda one, other: one & other, [is_utf8(part) for part in parts])
    whole = parts[0] if len(parts) == 1 else F.to_json(F.array(*parts), JSON_OPTIONS)
    return F.when(complete, whole), parts[0] if len(parts) == 1 else F.concat_ws(" ", *parts)
