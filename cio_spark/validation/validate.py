"""Marks every prepared record as valid or invalid; the first rule that a record breaks gives its code."""

from __future__ import annotations

from functools import reduce

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F
from pyspark.sql import types as T

import cio_spark.validation.values as values
from cio_spark.config import api_limits as limits
from cio_spark.config.payload import Call
from cio_spark.config.semantic_events import NEAR_MISSES
from cio_spark.spark.utf8 import REPLACED, is_utf8

_IDS = ("user_id", "anonymous_id", "group_id", "object_id", "previous_id", "device_token")
_MISSING = {
    "event": ("missing_event_name", "the event has no name"),
    "group_id": ("missing_group_id", "there is no group id"),
    "object_id": ("missing_object_id", "there is no object id"),
    "previous_id": ("missing_previous_id", "there is no previous id"),
    "device_token": ("missing_device_token", "there is no device token"),
}

Rule = tuple[str, str, Column]


def validate_records(records: DataFrame, call: Call) -> DataFrame:
    """Add `error_code` and `error_message` (null for valid records) and drop the columns that only validation needed.

    Args:
        records: output of the payload stage: `record_id`, `payload`, `payload_bytes`, `ids`, `objects`, `originals` and
            the other columns.
        call: the configured call.

    Returns:
        The records with `error_code` and `error_message`, without `ids`, `objects` and `originals`.
    """
    ids, objects, originals = (_struct(records, name) for name in ("ids", "objects", "originals"))
    # A record id that is not UTF-8 is already null here; without this rule it would be reported as missing
    verdicts = [_verdict([_not_utf8("record_id", F.col("record_id").isNull() & ~is_utf8(F.col("ids.record_id")))])]
    if encoding_rules := _encoding_rules(ids, objects, originals):
        # The payload has a replacement for each byte that is not UTF-8; the texts are checked only if it contains one
        verdicts.append(F.when(F.col("payload").contains(REPLACED), _verdict(encoding_rules)))
    rules = [*_identity_rules(call, ids), *_original_rules(originals), *_object_rules(objects), *_size_rules()]
    return (
        records.withColumn("__verdict", F.coalesce(*verdicts, _verdict(rules)))
        .withColumn("error_code", F.col("__verdict.c"))
        .withColumn("error_message", F.col("__verdict.m"))
        .drop("__verdict", "ids", "objects", "originals")
    )


def _struct(records: DataFrame, name: str) -> T.StructType:
    kind = records.schema[name].dataType
    assert isinstance(kind, T.StructType)
    return kind


def _verdict(rules: list[Rule]) -> Column:
    """Return code and sentence of the first rule that a record breaks; null if it breaks none."""
    return F.coalesce(
        *[F.when(broken, F.struct(F.lit(code).alias("c"), F.lit(text).alias("m"))) for code, text, broken in rules]
    )


def _encoding_rules(ids: T.StructType, objects: T.StructType, originals: T.StructType) -> list[Rule]:
    """Make the rules for texts that are not UTF-8, except for the record id."""
    rules = [
        _not_utf8(item.name, ~is_utf8(F.col(f"ids.{item.name}")))
        for item in ids.fields
        if item.name != "record_id" and isinstance(item.dataType, T.StringType)
    ]
    # JSON text that could not be read is null in `objects`, so its original is checked
    texts = [("originals", item) for item in originals.fields if isinstance(item.dataType, T.StringType)]
    for parent, item in [*texts, *(("objects", item) for item in objects.fields)]:
        broken = values.any_value(F.col(f"{parent}.{item.name}"), item.dataType, values.not_utf8)
        if broken is not None:
            rules.append(_not_utf8(item.name, broken))
    return rules


def _not_utf8(name: str, broken: Column) -> Rule:
    return ("not_utf8", f"{name} has bytes that are no UTF-8 text", broken)


def _identity_rules(call: Call, ids: T.StructType) -> list[Rule]:
    """Make the rules for scalars.

    Constants (VOID) were checked with the configuration, so no record is checked for them.
    """
    constants = {item.name for item in ids.fields if isinstance(item.dataType, T.NullType)}
    given = set(ids.fieldNames()) - constants - {"record_id"}
    rules: list[Rule] = [("missing_record_id", "record_id is null", F.col("record_id").isNull())]
    for alternatives in call.spec.needs:
        if constants & set(alternatives):
            continue
        present = [name for name in alternatives if name in given]
        missing = reduce(lambda one, other: one & other, [F.col(f"ids.{name}").isNull() for name in present])
        empty = f"{' and '.join(present)} {'is' if len(present) == 1 else 'are'} empty"
        code, text = _MISSING.get(alternatives[0], ("missing_identity", empty))
        rules.append((code, text, missing))
    for name in _IDS:
        if name in given:
            too_long = F.octet_length(f"ids.{name}") > limits.MAX_ID_BYTES
            rules.append(("id_too_long", f"{name} is longer than {limits.MAX_ID_BYTES} bytes", too_long))
    if "object_type_id" in given:
        kind = F.col("ids.object_type_id")
        unfit = kind.isNotNull() & ~kind.rlike(limits.WHOLE_OBJECT_TYPE)
        rules.append(("invalid_object_type_id", "object_type_id is not a whole number, such as 1", unfit))
    if "device_type" in given:
        platform = F.col("ids.device_type")
        unfit = platform.isNotNull() & ~platform.isin(*limits.DEVICE_TYPES)
        said = " nor ".join(limits.DEVICE_TYPES)
        rules.append(("invalid_device_type", f"device_type is neither {said}", unfit))
    if "event" in given:
        event = F.col("ids.event")
        limit = limits.MAX_EVENT_NAME_BYTES
        rules += [
            ("event_name_too_long", f"the event's name is longer than {limit} bytes", F.octet_length(event) > limit),
            (
                "reserved_event_name",
                "the event's name is, or looks like, a reserved one of Customer.io: use the call made for it",
                F.regexp_replace(F.lower(event), "[^a-z]", "").isin(*NEAR_MISSES),
            ),
        ]
    return rules


def _original_rules(originals: T.StructType) -> list[Rule]:
    """Make the rules for problems that are no longer visible once a value is ready for JSON."""
    rules: list[Rule] = []
    for item in originals.fields:
        column, kind = F.col(f"originals.{item.name}"), item.dataType
        if isinstance(kind, T.StringType):
            unread = column.isNotNull() & F.col(f"objects.{item.name}").isNull()
            rules.append(("invalid_json", f"{item.name}_from is not the JSON text of exactly one object", unread))
        for code, text, check in (
            (
                "timestamp_out_of_range",
                "a time outside of the years 1 to 9999: is it in milliseconds?",
                values.out_of_range,
            ),
            ("duplicate_key", "a map that has a key twice, which JSON cannot carry", values.has_duplicate_key),
        ):
            broken = values.any_value(column, kind, check)
            if broken is not None:
                says = "is" if item.name == "timestamp" else "hold"
                rules.append((code, f"{item.name} {says} {text}", broken))
    return rules


def _object_rules(objects: T.StructType) -> list[Rule]:
    rules: list[Rule] = []
    for item in objects.fields:
        column, kind = F.col(f"objects.{item.name}"), item.dataType
        if isinstance(kind, T.StringType):
            rules += _json_text_rules(item.name, column)
            continue
        for code, text, check in (
            ("not_json_number", "hold NaN or an infinity, which JSON cannot carry", values.has_non_json_number),
            ("value_too_long", f"hold a text longer than {limits.MAX_VALUE_BYTES} bytes", values.value_too_long),
        ):
            broken = values.any_value(column, kind, check)
            if broken is not None:
                rules.append((code, f"{item.name} {text}", broken))
        for keys in values.map_keys_of(column, kind):
            rules += _key_rules(item.name, keys)
    return rules


def _key_rules(name: str, keys: Column) -> list[Rule]:
    return [
        (
            "too_many_attributes",
            f"{name} have more than {limits.MAX_ATTRIBUTES} attributes",
            values.too_many(keys),
        ),
        (
            "attribute_name_too_long",
            f"a name in {name} is longer than {limits.MAX_NAME_BYTES} bytes",
            values.name_too_long(keys),
        ),
        ("reserved_attribute_name", f"a name in {name} starts with '_'", values.reserved_name(keys)),
    ]


def _json_text_rules(name: str, text: Column) -> list[Rule]:
    """Make the rules for an object of JSON text after it was read; it must keep the same limits as others."""
    fields = F.from_json(text, "map<string,string>")
    # Nested objects and arrays come out as JSON text and are not checked: the limit is on texts
    long_value = F.exists(
        F.map_values(fields), lambda value: (F.octet_length(value) > limits.MAX_VALUE_BYTES) & ~value.rlike(r"^[\[{]")
    )
    return [
        (
            "value_too_long",
            f"{name} hold a text longer than {limits.MAX_VALUE_BYTES} bytes",
            F.coalesce(long_value, F.lit(False)),
        ),
        *_key_rules(name, F.map_keys(fields)),
    ]


def _size_rules() -> list[Rule]:
    size = F.col("payload_bytes") + limits.MESSAGE_ID_BYTES
    return [
        (
            "item_too_large",
            f"the call's JSON is longer than {limits.MAX_ITEM_BYTES} bytes",
            size > limits.MAX_ITEM_BYTES,
        )
    ]
