"""Compares the JSON made in the JVM with a plain Python reading of the mapping, for random rows."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from cio_spark.config.payload import PayloadSection
from cio_spark.errors import ConfigurationError
from cio_spark.payload import prepare_records

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
SCHEMA = (
    "id STRING, customer STRING, n BIGINT, x DOUBLE, ok BOOLEAN, price DECIMAL(20,4), day DATE, at TIMESTAMP, "
    "tags ARRAY<STRING>, counts MAP<STRING, INT>, place STRUCT<city: STRING, since: TIMESTAMP, zip: INT>"
)
COLUMNS = ("id", "customer", "n", "x", "ok", "price", "day", "at", "tags", "counts", "place")
texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
instants = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1)).map(lambda it: it.replace(tzinfo=timezone.utc))
maybe = st.none
rows = st.fixed_dictionaries(
    {
        "id": texts.map(lambda text: "i" + text),
        "customer": texts.map(lambda text: "c" + text),
        "n": maybe() | st.integers(-(2**63), 2**63 - 1),
        "x": maybe() | st.floats(allow_nan=False, allow_infinity=False),
        "ok": maybe() | st.booleans(),
        "price": maybe() | st.decimals(-(10**15), 10**15, places=4),
        "day": maybe() | st.dates(date(1900, 1, 1), date(2200, 1, 1)),
        "at": maybe() | instants,
        "tags": maybe() | st.lists(maybe() | texts, max_size=3),
        "counts": maybe() | st.dictionaries(texts, maybe() | st.integers(-100, 100), max_size=3),
        "place": maybe() | st.tuples(maybe() | texts, maybe() | instants, maybe() | st.integers(0, 99999)),
    }
)


def iso(instant: datetime) -> str:
    milliseconds = (instant - EPOCH) // timedelta(milliseconds=1)
    return (EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def unix_seconds(instant: datetime) -> int:
    return (instant - EPOCH) // timedelta(seconds=1)


def written(name: str, value: Any, in_seconds: bool) -> Any:
    """Return what a value of a row should look like in JSON; this is the reference."""
    if isinstance(value, datetime):
        return unix_seconds(value) if in_seconds else iso(value)
    if isinstance(value, date):
        return (value - EPOCH.date()).days * 86400 if in_seconds else value.isoformat()
    if name == "counts":
        return {key: item for key, item in value.items() if item is not None}
    if name == "place":
        parts = dict(zip(("city", "since", "zip"), value, strict=True))
        return {key: written(key, item, in_seconds) for key, item in parts.items() if item is not None}
    return value


def expected(row: dict[str, Any], *, in_seconds: bool, send: set[str]) -> dict[str, Any]:
    fields = {}
    for name, value in row.items():
        if value is not None:
            fields[name] = written(name, value, in_seconds)
        elif name in send:
            fields[name] = None
    return fields


def frame(spark: SparkSession, batch: list[dict[str, Any]]) -> Any:
    return spark.createDataFrame([tuple(row[name] for name in COLUMNS) for row in batch], SCHEMA).repartition(1)


def payloads(spark: SparkSession, batch: list[dict[str, Any]], section: dict[str, Any]) -> list[dict[str, Any]]:
    prepared = prepare_records(frame(spark, batch), PayloadSection.model_validate(section))
    return [json.loads(row[0], parse_float=Decimal) for row in prepared.select("payload").collect()]


def comparable(value: Any) -> Any:
    """Return a value whose numbers are compared by value, so that 1.20 and 1.2 are the same.

    `x`, the double, becomes the double that its digits mean.
    """
    if isinstance(value, dict):
        return {
            key: float(item) if key == "x" and isinstance(item, (Decimal, float, int)) else comparable(item)
            for key, item in value.items()
        }
    if isinstance(value, list):
        return [comparable(item) for item in value]
    return value


# Each example is a Spark job over a batch of rows; shrinking would run hundreds of them, so it is off
QUICK = settings(
    max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.explicit, Phase.generate]
)


@QUICK
@given(st.lists(rows, min_size=1, max_size=25))
def test_track_properties_hold_every_type_with_iso_timestamps_and_without_nulls(
    spark: SparkSession, batch: Any
) -> None:
    section = {
        "call": "track",
        "record_id": "id",
        "user_id": "customer",
        "event": {"value": "Bought"},
        "timestamp": "at",
        "properties": {"include": "*", "set": {"currency": {"value": "EUR"}, "twice": "ok"}},
    }
    for row, payload in zip(batch, payloads(spark, batch, section), strict=True):
        properties = expected(row, in_seconds=False, send=set())
        properties["currency"] = "EUR"
        if row["ok"] is not None:
            properties["twice"] = row["ok"]
        call = {"type": "track", "userId": row["customer"], "event": "Bought", "properties": properties}
        if row["at"] is not None:
            call["timestamp"] = iso(row["at"])
        assert comparable(payload) == comparable(call)


@QUICK
@given(st.lists(rows, min_size=1, max_size=25))
def test_identify_traits_hold_unix_seconds_and_the_nulls_that_are_to_be_sent(spark: SparkSession, batch: Any) -> None:
    section = {
        "call": "identify",
        "record_id": "id",
        "user_id": "customer",
        "traits": {"include": "*", "except": ["id", "customer"]},
        "nulls": {"send": ["n", "at", "place"]},
    }
    for row, payload in zip(batch, payloads(spark, batch, section), strict=True):
        values = {name: value for name, value in row.items() if name not in ("id", "customer")}
        traits = expected(values, in_seconds=True, send={"n", "at", "place"})
        if row["place"] is not None:  # nulls inside a field whose nulls are sent are sent too
            traits["place"] = {
                key: None if item is None else written(key, item, True)
                for key, item in zip(("city", "since", "zip"), row["place"], strict=True)
            }
        assert comparable(payload) == comparable({"type": "identify", "userId": row["customer"], "traits": traits})


def section_of(**parts: Any) -> PayloadSection:
    return PayloadSection.model_validate({"call": "track", "record_id": "id", "event": {"value": "E"}, **parts})


def one_payload(spark: SparkSession, query: str, section: PayloadSection) -> dict[str, Any]:
    return json.loads(prepare_records(spark.sql(query), section).select("payload").collect()[0][0])  # type: ignore[no-any-return]


def test_equal_maps_in_another_order_have_one_hash(spark: SparkSession) -> None:
    df = spark.sql("SELECT '1' id, 'u' u, map('a', 1, 'b', 2) m UNION ALL SELECT '1', 'u', map('b', 2, 'a', 1)")
    prepared = prepare_records(df, section_of(user_id="u", properties={"include": ["m"]}))
    assert prepared.select("payload_hash").distinct().count() == 1


def test_composite_ids_that_look_alike_when_joined_stay_apart(spark: SparkSession) -> None:
    df = spark.sql("SELECT 'a|b' x, 'c' y UNION ALL SELECT 'a', 'b|c' UNION ALL SELECT 'a', NULL")
    prepared = prepare_records(df, section_of(record_id=["x", "y"], user_id="x"))
    assert {row[0] for row in prepared.select("record_id").collect()} == {'["a|b","c"]', '["a","b|c"]', None}


def test_a_struct_a_map_and_json_text_can_be_all_the_properties(spark: SparkSession) -> None:
    query = (
        "SELECT '1' id, 'u' u, named_struct('a', 1, 'b', CAST(NULL AS INT)) s, map('k', 'v', 'n', NULL) m, "
        """'{"z": [1, {"y": null}], "a": 1.50}' j"""
    )
    for column, properties in (("s", {"a": 1}), ("m", {"k": "v"}), ("j", {"z": [1, {"y": None}], "a": 1.5})):
        payload = one_payload(spark, query, section_of(user_id="u", properties_from=column))
        assert payload["properties"] == properties


@pytest.mark.parametrize(
    ("section", "expected_call"),
    [
        ({"call": "suppress", "user_id": "u"}, {"type": "track", "userId": "7", "event": "User Suppressed"}),
        ({"call": "unsuppress", "user_id": "u"}, {"type": "track", "userId": "7", "event": "User Unsuppressed"}),
        ({"call": "delete_person", "user_id": "u"}, {"type": "track", "userId": "7", "event": "User Deleted"}),
        (
            {"call": "device", "user_id": "u", "device_token": "t", "device_type": {"value": "ios"}},
            {
                "type": "track",
                "userId": "7",
                "event": "Device Created or Updated",
                "context": {"device": {"token": "tok", "type": "ios"}},
            },
        ),
        (
            {"call": "device_delete", "user_id": "u", "device_token": "t"},
            {"type": "track", "userId": "7", "event": "Device Deleted", "context": {"device": {"token": "tok"}}},
        ),
        (
            {"call": "object_delete", "object_id": "g"},
            {
                "type": "track",
                "event": "Object Deleted",
                "anonymousId": "object-acme",
                "properties": {"objectId": "acme", "objectTypeId": 1},
            },
        ),
        (
            {"call": "relationship_delete", "user_id": "u", "object_id": "g", "object_type_id": {"value": 2}},
            {
                "type": "track",
                "userId": "7",
                "event": "Relationship Deleted",
                "properties": {"objectId": "acme", "objectTypeId": 2},
            },
        ),
        (
            {"call": "group", "user_id": "u", "group_id": "g", "object_type_id": {"value": "3"}},
            {"type": "group", "userId": "7", "groupId": "acme", "traits": {"object_type_id": "3"}},
        ),
        (
            {"call": "alias", "user_id": "u", "previous_id": "t"},
            {"type": "alias", "userId": "7", "previousId": "tok"},
        ),
        ({"call": "page", "anonymous_id": "u", "name": "g"}, {"type": "page", "anonymousId": "7", "name": "acme"}),
        ({"call": "screen", "user_id": "u"}, {"type": "screen", "userId": "7"}),
        ({"call": "identify", "email": "t"}, {"type": "identify", "userId": "", "traits": {"email": "tok"}}),
        (
            {"call": "identify", "user_id": "none", "anonymous_id": "none", "email": "t"},
            {"type": "identify", "userId": "", "traits": {"email": "tok"}},
        ),
        (
            {"call": "identify", "user_id": "none", "anonymous_id": "u", "email": "t"},
            {"type": "identify", "anonymousId": "7", "traits": {"email": "tok"}},
        ),
        (
            {"call": "identify", "user_id": "u", "email": "t"},
            {"type": "identify", "userId": "7", "traits": {"email": "tok"}},
        ),
    ],
)
def test_every_call_has_the_shape_the_api_documents(spark: SparkSession, section: Any, expected_call: Any) -> None:
    query = "SELECT '1' id, 7 u, 'tok' t, 'acme' g, CAST(NULL AS STRING) none"
    assert one_payload(spark, query, PayloadSection.model_validate({"record_id": "id", **section})) == expected_call


def test_every_problem_of_a_mapping_is_reported_at_once_with_its_path(spark: SparkSession) -> None:
    df = spark.sql("SELECT '1' id, 'u' customer, X'00' blob, INTERVAL 1 DAY AS wait, 5L ms")
    section = section_of(
        record_id="idd",
        user_id="custommer",
        timestamp="ms",
        properties={
            "include": ["blob", "wait", "amout"],
            "set": {"a": "1 +", "b": "nope(1)", "c": "rand()", "_d": "1"},
        },
    )
    with pytest.raises(ConfigurationError) as caught:
        prepare_records(df, section)
    said = str(caught.value)
    for piece in (
        "payload.record_id: there is no column `idd`",
        "payload.user_id: there is no column `custommer`; did you mean `customer`?",
        "payload.timestamp has type bigint",
        "`blob` has type binary, which JSON cannot carry",
        "`wait` has type interval day",
        "there is no column `amout`",
        "payload.properties.set.a is not a valid Spark SQL expression",
        "payload.properties.set.b: function nope does not exist",
        "payload.properties.set.c has another value on every run",
        "the name '_d' is reserved",
    ):
        assert piece in said
