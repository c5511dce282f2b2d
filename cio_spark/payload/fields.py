"""properties, traits and context: which fields an object has, and its JSON."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import Column
from pyspark.sql import functions as F
from pyspark.sql import types as T

from cio_spark import spark_errors
from cio_spark.config.api_limits import MAX_ATTRIBUTES, MAX_NAME_BYTES
from cio_spark.config.payload import FieldMapping, NullHandling, PayloadSection, Scalar, TimestampFormat
from cio_spark.payload.expressions import Expressions
from cio_spark.payload.json_values import JSON_OPTIONS, json_ready, unsupported_type


@dataclass(frozen=True)
class JsonObject:
    """One object of a call.

    Attributes:
        value: a struct or map that goes into the call's own `to_json`; None where the object is text.
        text: JSON text of the object, spliced into the call's JSON; None where it is a value.
        checked: what validation looks into: the struct or map of JSON-ready values, or the user's JSON text.
    """

    value: Column | None
    text: Column | None
    checked: Column


def build_object(
    expressions: Expressions, section: PayloadSection, name: str, default_format: TimestampFormat
) -> JsonObject | None:
    """The object called `name` (properties, traits, context), or None if the configuration has none."""
    whole = getattr(section, f"{name}_from", None)
    if whole is not None:
        return _whole_object(expressions, section, name, whole, default_format)
    mapping: FieldMapping | None = getattr(section, name)
    if mapping is None:
        return None
    dropped: list[Column] = []
    sent: list[Column] = []
    for field, scalar in _scalars(expressions, mapping, f"payload.{name}").items():
        path = f"payload.{name}.set.{field}" if field in mapping.set else f"payload.{name}.include"
        compiled = expressions.compile(path, scalar)
        if compiled is None:
            continue
        column, kind = compiled
        if unfit := unsupported_type(kind):
            expressions.report(path, _cannot_carry(field, unfit))
            continue
        drop = _drops_nulls(section, field)
        ready = json_ready(column, kind, unix_seconds=_in_seconds(section, field, default_format), drop_nulls=drop)
        (dropped if drop else sent).append(ready.alias(field))
    if len(dropped) + len(sent) > MAX_ATTRIBUTES:
        expressions.report(
            f"payload.{name}", f"has {len(dropped) + len(sent)} fields, Customer.io takes {MAX_ATTRIBUTES}"
        )
    checked = F.struct(*dropped, *sent)
    if not sent:
        return JsonObject(value=F.struct(*dropped), text=None, checked=checked)
    return JsonObject(value=None, text=_with_nulls(dropped, sent), checked=checked)


def _scalars(expressions: Expressions, mapping: FieldMapping, path: str) -> dict[str, Scalar]:
    """Fields by name: included columns first, in order, then what is set; a set field wins."""
    columns = expressions.columns
    unknown = [name for name in mapping.except_ if name not in columns]
    if mapping.include == "*":
        names = [name for name in columns if name not in mapping.except_]
    else:
        names = list(mapping.include or [])
        unknown += [name for name in names if name not in columns]
    for name in unknown:
        expressions.report(path, spark_errors.unknown_column(name, columns))
    fields: dict[str, Scalar] = {name: f"`{name.replace('`', '``')}`" for name in names if name not in unknown}
    fields.update(mapping.set)
    for name in fields:
        if len(name.encode()) > MAX_NAME_BYTES:
            expressions.report(path, f"the name {name[:40]!r}… is longer than {MAX_NAME_BYTES} bytes")
        if name.startswith("_"):
            expressions.report(
                path, f"the name {name!r} is reserved: names must not start with '_'; leave it out or set another name"
            )
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
        return JsonObject(value=None, text=F.coalesce(F.get_json_object(column, "$"), F.lit("{}")), checked=column)
    if not isinstance(kind, (T.StructType, T.MapType)):
        expressions.report(path, f"has type {kind.simpleString()}, but must be a struct, a map or JSON text")
        return None
    if unfit := unsupported_type(kind):
        expressions.report(path, _cannot_carry(sql, unfit))
        return None
    in_seconds = (section.timestamps.default or default_format) == TimestampFormat.UNIX_SECONDS
    drop = section.nulls.default == NullHandling.DROP
    ready = json_ready(column, kind, unix_seconds=in_seconds, drop_nulls=drop)
    if drop:
        return JsonObject(value=ready, text=None, checked=ready)
    text = F.coalesce(F.to_json(ready, {**JSON_OPTIONS, "ignoreNullFields": "false"}), F.lit("{}"))
    return JsonObject(value=None, text=text, checked=ready)


def _with_nulls(dropped: list[Column], sent: list[Column]) -> Column:
    """JSON text of an object some of whose nulls are sent: two objects, joined at their braces."""
    with_nulls = F.to_json(F.struct(*sent), {**JSON_OPTIONS, "ignoreNullFields": "false"})
    if not dropped:
        return with_nulls
    without = F.to_json(F.struct(*dropped), JSON_OPTIONS)
    return F.when(without == "{}", with_nulls).otherwise(
        F.concat(without_last_brace(without), F.lit(","), tail(with_nulls))
    )


def without_last_brace(text: Column) -> Column:
    """JSON text of an object without its closing brace."""
    return text.substr(F.lit(1), F.char_length(text) - 1)


def tail(text: Column) -> Column:
    """JSON text of an object without its opening brace."""
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
