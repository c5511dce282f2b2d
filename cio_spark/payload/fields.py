"""Builds the objects properties, traits and context: their fields and their JSON."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark.config.api_limits import MAX_ATTRIBUTES
from cio_spark.config.payload import FieldMapping, NullHandling, PayloadSection, Scalar, TimestampFormat
from cio_spark.payload.expressions import Expressions
from cio_spark.payload.field_names import listed_names, name_problems, struct_problems
from cio_spark.payload.instants import TIMES
from cio_spark.payload.json_text import read_object
from cio_spark.payload.json_values import JSON_OPTIONS, json_ready, unclear_field, unsupported_type
from cio_spark.spark import failures as spark_errors
from cio_spark.spark.utf8 import is_utf8

_SEND_NULLS = {**JSON_OPTIONS, "ignoreNullFields": "false"}


@dataclass(frozen=True)
class JsonObject:
    """Describes one object of a call.

    Attributes:
        names: names of its fields; None if only the rows know them.
        value: struct or map that goes into the call's own `to_json`; None if the object is a text.
        text: JSON text of the object, which is put into the call's JSON; None if the object is a value.
        checked: what validation checks: the struct or map of JSON-ready values, or the JSON text after it was read. In
            a struct that is built from a mapping, fields have numbers as names, because Spark's look-ups treat `plan`
            and `Plan` as one name.
        original: what validation checks before the values are made ready for JSON: the fields with maps or times as a
            struct, the whole struct or map, or the user's JSON text; None if nothing needs that check.
        read: for an object that is the user's JSON text, the column of the text after it was read. It is added as
            `read_as` before the other columns, so that the text is read only once.
        read_as: name of the column `read`.
    """

    names: list[str] | None
    value: Column | None
    text: Column | None
    checked: Column
    original: Column | None = None
    read: Column | None = None
    read_as: str = ""


def build_object(
    expressions: Expressions, section: PayloadSection, name: str, default_format: TimestampFormat
) -> JsonObject | None:
    """Build the object called `name` (properties, traits, context).

    Returns:
        None if the configuration has no such object, or if it has a problem because of which none can be built.
    """
    whole = getattr(section, f"{name}_from", None)
    if whole is not None:
        return _whole_object(expressions, section, name, whole, default_format)
    mapping: FieldMapping | None = getattr(section, name)
    if mapping is None:
        return None
    dropped: list[Column] = []
    sent: list[Column] = []
    checked: list[Column] = []
    original: list[Column] = []
    scalars = _scalars(expressions, mapping, f"payload.{name}")
    for field, scalar in scalars.items():
        path = f"payload.{name}.set.{field}" if field in mapping.set else f"payload.{name}.include"
        compiled = expressions.compile(path, scalar)
        if compiled is None:
            continue
        column, kind = compiled
        if problem := _type_problem(expressions, field, kind):
            expressions.report(path, problem)
            continue
        for problem in struct_problems(kind):
            expressions.report(path, f"{field}: {problem}")
        drop = _drops_nulls(section, field)
        ready = json_ready(column, kind, unix_seconds=_in_seconds(section, field, default_format), drop_nulls=drop)
        (dropped if drop else sent).append(ready.alias(field))
        checked.append(ready.alias(str(len(checked))))
        if _has_maps_or_times(kind):
            original.append(column.alias(str(len(original))))
    if len(dropped) + len(sent) > MAX_ATTRIBUTES:
        expressions.report(
            f"payload.{name}", f"has {len(dropped) + len(sent)} fields, Customer.io takes {MAX_ATTRIBUTES}"
        )
    return JsonObject(
        # Missing columns have been reported, so a policy that names one of them is not reported again
        names=[*scalars, *(mapping.include if isinstance(mapping.include, list) else ())],
        value=None if sent else F.struct(*dropped),
        text=_with_nulls(dropped, sent) if sent else None,
        checked=F.struct(*checked),
        original=F.struct(*original) if original else None,
    )


def _scalars(expressions: Expressions, mapping: FieldMapping, path: str) -> dict[str, Scalar]:
    """Return the fields by name: first the included columns in order, then the set fields; a set field wins.

    With `include: "*"` the columns are in the order of their names: a column that moves within its table must not
    change payloads.
    """
    columns = expressions.columns
    unknown = [name for name in mapping.except_ if name not in columns]
    if mapping.include == "*":
        names = sorted(name for name in columns if name not in mapping.except_)
    else:
        names = list(mapping.include or [])
        unknown += [name for name in names if name not in columns]
    for name in unknown:
        expressions.report(path, spark_errors.unknown_column(name, columns))
    fields: dict[str, Scalar] = {name: f"`{name.replace('`', '``')}`" for name in names if name not in unknown}
    fields.update(mapping.set)
    for name in fields:
        for problem in name_problems(name, "leave it out or set another name"):
            expressions.report(path, problem)
    return fields


def _whole_object(
    expressions: Expressions, section: PayloadSection, name: str, sql: str, default_format: TimestampFormat
) -> JsonObject | None:
    path = f"payload.{name}_from"
    compiled = expressions.compile(path, sql)
    if compiled is None:
        return None
    column, kind = compiled
    if isinstance(kind, T.StringType):
        return _json_text(name, column.cast("string"), {known.lower() for known in expressions.columns})
    if not isinstance(kind, (T.StructType, T.MapType)):
        expressions.report(path, f"has type {kind.simpleString()}, but must be a struct, a map or JSON text")
        return None
    if problem := _type_problem(expressions, sql, kind):
        expressions.report(path, problem)
        return None
    for problem in struct_problems(kind):
        expressions.report(path, problem)
    if isinstance(kind, T.StructType) and _lists_any(section, kind.fieldNames()):
        return _by_field(section, column, kind, default_format)
    names = kind.fieldNames() if isinstance(kind, T.StructType) else None
    in_seconds = (section.timestamps.default or default_format) == TimestampFormat.UNIX_SECONDS
    drop = section.nulls.default == NullHandling.DROP
    ready = json_ready(column, kind, unix_seconds=in_seconds, drop_nulls=drop)
    original = column if _has_maps_or_times(kind) else None
    if drop:
        return JsonObject(names, value=ready, text=None, checked=ready, original=original)
    text = F.coalesce(F.to_json(ready, _SEND_NULLS), F.lit("{}"))
    return JsonObject(names, value=None, text=text, checked=ready, original=original)


def _lists_any(section: PayloadSection, fields: Sequence[str]) -> bool:
    return any(name in fields for listed in listed_names(section).values() for name in listed)


def _by_field(
    section: PayloadSection, column: Column, kind: T.StructType, default_format: TimestampFormat
) -> JsonObject:
    """Build an object from a struct whose fields have different policies; a null struct sends no fields."""
    dropped: list[Column] = []
    sent: list[Column] = []
    ready: list[Column] = []
    for item in kind.fields:
        drop = _drops_nulls(section, item.name)
        in_seconds = _in_seconds(section, item.name, default_format)
        value = json_ready(column.getField(item.name), item.dataType, unix_seconds=in_seconds, drop_nulls=drop)
        ready.append(value.alias(item.name))
        (dropped if drop else sent).append(ready[-1])
    whole = F.when(column.isNotNull(), F.struct(*ready))
    return JsonObject(
        names=kind.fieldNames(),
        value=None if sent else whole,
        text=F.when(column.isNull(), "{}").otherwise(_with_nulls(dropped, sent)) if sent else None,
        checked=whole,
        original=column if _has_maps_or_times(kind) else None,
    )


def _json_text(name: str, text: Column, columns: Collection[str]) -> JsonObject:
    """Read the user's JSON text as an object; a text that is none goes into the payload as a text, and is refused."""
    # Texts are pickled, so bytes that are not UTF-8 are replaced on every version of Spark; Arrow would stop at them
    read = F.udf(read_object, T.StringType(), useArrow=False)
    read_as = f"__json_{name}"
    while read_as in columns:  # the user has a column of this name
        read_as += "_"
    quoted = F.to_json(F.array(text), JSON_OPTIONS)
    as_text = quoted.substr(F.lit(2), F.char_length(quoted) - 2)
    return JsonObject(
        names=None,
        value=None,
        text=F.when(text.isNull(), "{}").otherwise(F.coalesce(F.col(read_as), as_text)),
        checked=F.col(read_as),
        original=text,
        read=read(F.when(is_utf8(text), text)),
        read_as=read_as,
    )


def _type_problem(expressions: Expressions, what: str, kind: T.DataType) -> str | None:
    """Say why JSON cannot carry a type, or why Spark cannot look into it; return None if the type has no problem."""
    if unfit := unsupported_type(kind):
        return _cannot_carry(what, unfit)
    if unclear := unclear_field(kind, case_sensitive=expressions.are_case_sensitive):
        return f"{what} has the fields {unclear} in one struct, which Spark cannot tell apart: rename one of them"
    return None


def _has_maps_or_times(kind: T.DataType) -> bool:
    """Tell whether validation must see a value in its original form.

    When a value is ready for JSON, no key occurs twice and no year is out of range any more.
    """
    if isinstance(kind, T.ArrayType):
        return _has_maps_or_times(kind.elementType)
    if isinstance(kind, T.StructType):
        return any(_has_maps_or_times(item.dataType) for item in kind.fields)
    return isinstance(kind, (T.MapType, *TIMES))


def _with_nulls(dropped: list[Column], sent: list[Column]) -> Column:
    """Write the JSON text of an object that sends only some nulls: two objects that are joined at their braces."""
    with_nulls = F.to_json(F.struct(*sent), _SEND_NULLS)
    if not dropped:
        return with_nulls
    without = F.to_json(F.struct(*dropped), JSON_OPTIONS)
    return F.when(without == "{}", with_nulls).otherwise(
        F.concat(without_last_brace(without), F.lit(","), tail(with_nulls))
    )


def without_last_brace(text: Column) -> Column:
    """Return the JSON text of an object without its closing brace."""
    return text.substr(F.lit(1), F.char_length(text) - 1)


def tail(text: Column) -> Column:
    """Return the JSON text of an object without its opening brace."""
    return text.substr(F.lit(2), F.char_length(text))


def _drops_nulls(section: PayloadSection, field: str) -> bool:
    if field in section.nulls.send:
        return False
    return field in section.nulls.drop or section.nulls.default == NullHandling.DROP


def _in_seconds(section: PayloadSection, field: str, default_format: TimestampFormat) -> bool:
    policy = section.timestamps
    if field in policy.unix_seconds:
        return True
    if field in policy.iso:
        return False
    return (policy.default or default_format) == TimestampFormat.UNIX_SECONDS


def _cannot_carry(field: str, kind: str) -> str:
    return (
        f"`{field}` has type {kind}, which JSON cannot carry; leave it out, or set it with a conversion "
        "(base64(…) for binary, cast(… AS STRING) for intervals)"
    )
