"""Tests which person and which row a record is about.

The subjects are: ids as text, blank identities, constants, object types, and values of one row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from pyspark.sql import DataFrame, Row, SparkSession

from cio_spark.config.payload import PayloadSection
from cio_spark.errors import ConfigurationError
from cio_spark.payload import prepare_records
from cio_spark.validation import validate_records


def judged(spark: SparkSession, query: str, section: dict[str, Any]) -> DataFrame:
    read = PayloadSection.model_validate({"record_id": "id", **section})
    return validate_records(prepare_records(spark.sql(query), read), read.call)


def rows_of(spark: SparkSession, query: str, **section: Any) -> list[Row]:
    return judged(spark, query, section).collect()


@pytest.fixture
def zones(spark: SparkSession) -> Iterator[None]:
    before = spark.conf.get("spark.sql.session.timeZone")
    assert before is not None
    yield
    spark.conf.set("spark.sql.session.timeZone", before)


@pytest.mark.usefixtures("zones")
@pytest.mark.parametrize(
    ("columns", "record_ids"),
    [
        ("at", {"2024-11-03T05:30:00.123456Z", "2024-11-03T06:30:00.123456Z", None}),
        ("wall", {"2024-11-03T05:30:00.500000Z", "2024-11-03T06:30:00.000000Z", None}),
        ("day", {"2024-11-03", "2024-11-04", None}),
        (
            ["at", "day"],
            {'["2024-11-03T05:30:00.123456Z","2024-11-03"]', '["2024-11-03T06:30:00.123456Z","2024-11-04"]', None},
        ),
    ],
)
def test_a_time_names_a_row_alike_in_every_session_time_zone(
    spark: SparkSession, columns: Any, record_ids: set[str | None]
) -> None:
    # the two instants have the same wall-clock time in New York, in the hour in which summer time ends
    query = """SELECT timestamp'2024-11-03 05:30:00.123456Z' at, timestamp_ntz'2024-11-03 05:30:00.5' wall,
        date'2024-11-03' day UNION ALL SELECT timestamp'2024-11-03 06:30:00.123456Z',
        timestamp_ntz'2024-11-03 06:30:00', date'2024-11-04' UNION ALL SELECT NULL, NULL, NULL"""
    for zone in ("UTC", "America/New_York", "Asia/Kolkata"):
        spark.conf.set("spark.sql.session.timeZone", zone)
        found = rows_of(spark, query, call="track", record_id=columns, user_id="at", event={"value": "E"})
        assert {row["record_id"] for row in found} == record_ids
        assert {row["person_key"] for row in found} == {
            "2024-11-03T05:30:00.123456Z",
            "2024-11-03T06:30:00.123456Z",
            None,
        }


PEOPLE = """SELECT * FROM VALUES ('both', 'u', 'a'), ('empty', '', 'a'), ('blank', ' \\t\\n ', 'a'),
    ('null', NULL, 'a'), ('neither', ' ', '\\t'), ('no anonymous', 'u', ' '), ('inner blanks', '\\tu u', 'a')
    AS people(id, u, a)"""


def test_a_blank_user_id_does_not_hide_the_anonymous_one(spark: SparkSession) -> None:
    found = rows_of(spark, PEOPLE, call="track", user_id="u", anonymous_id="a", event={"value": "E"})
    people = {}
    for row in found:
        payload = json.loads(row["payload"])
        sent = {key: payload[key] for key in ("userId", "anonymousId") if key in payload}
        people[row["record_id"]] = (sent, row["person_key"], row["error_code"])
    assert people == {
        "both": ({"userId": "u", "anonymousId": "a"}, "u", None),
        "empty": ({"anonymousId": "a"}, "a", None),
        "blank": ({"anonymousId": "a"}, "a", None),
        "null": ({"anonymousId": "a"}, "a", None),
        "neither": ({}, None, "missing_identity"),
        "no anonymous": ({"userId": "u"}, "u", None),
        "inner blanks": ({"userId": "\tu u", "anonymousId": "a"}, "\tu u", None),
    }


def test_blank_names_and_ids_are_missing_ones(spark: SparkSession) -> None:
    query = "SELECT 'r' id, 'u' u, ' \t' blank"
    for section, code in (
        ({"call": "track", "user_id": "u", "event": "blank"}, "missing_event_name"),
        ({"call": "group", "user_id": "u", "group_id": "blank"}, "missing_group_id"),
        ({"call": "identify", "email": "blank"}, "missing_identity"),
        ({"call": "device", "user_id": "u", "device_token": "blank"}, "missing_device_token"),
        ({"call": "suppress", "user_id": "blank"}, "missing_identity"),
    ):
        assert [row["error_code"] for row in rows_of(spark, query, **section)] == [code]


def test_an_object_is_deleted_for_nobody_where_the_anonymous_id_is_blank(spark: SparkSession) -> None:
    query = "SELECT '1' id, 'a' a UNION ALL SELECT '2', ' ' ORDER BY id"
    found = rows_of(spark, query, call="object_delete", object_id="id", anonymous_id="a")
    assert [json.loads(row["payload"])["anonymousId"] for row in found] == ["a", "object-2"]


@pytest.mark.usefixtures("zones")
def test_times_as_keys_of_a_map_are_the_same_in_every_session_time_zone(spark: SparkSession) -> None:
    query = "SELECT '1' id, map(timestamp'2024-11-03 05:30:00Z', 1) m"
    for zone in ("UTC", "Asia/Kolkata"):
        spark.conf.set("spark.sql.session.timeZone", zone)
        section = {"call": "track", "user_id": "id", "event": {"value": "E"}, "properties": {"include": ["m"]}}
        (row,) = rows_of(spark, query, **section)
        assert json.loads(row["payload"])["properties"]["m"] == {"2024-11-03T05:30:00.000000Z": 1}


@pytest.mark.parametrize(
    "section",
    [
        {"call": "object_delete", "object_id": "id", "object_type_id": "kind"},
        {"call": "relationship_delete", "user_id": "id", "object_id": "id", "object_type_id": "kind"},
    ],
)
def test_an_object_type_that_is_no_number_makes_its_own_row_invalid(spark: SparkSession, section: Any) -> None:
    query = """SELECT * FROM VALUES ('a', '2'), ('b', 'abc'), ('c', NULL), ('d', '1.5'), ('e', '99999999999'),
        ('f', ''), ('g', ' 3\\n'), ('h', '1 2') AS t(id, kind)"""
    found = {row["record_id"]: row for row in rows_of(spark, query, **section)}
    assert {name: row["error_code"] for name, row in found.items()} == {
        "a": None,
        "b": "invalid_object_type_id",
        "c": None,
        "d": "invalid_object_type_id",
        "e": "invalid_object_type_id",
        "f": "invalid_object_type_id",
        "g": None,
        "h": "invalid_object_type_id",
    }
    assert json.loads(found["g"]["payload"])["properties"]["objectTypeId"] == 3
    assert json.loads(found["a"]["payload"])["properties"]["objectTypeId"] == 2
    assert json.loads(found["c"]["payload"])["properties"]["objectTypeId"] == 1


def test_a_device_type_that_is_no_platform_makes_its_own_row_invalid(spark: SparkSession) -> None:
    query = """SELECT * FROM VALUES ('a', 'ios'), ('b', 'iOS'), ('c', NULL), ('d', 'android'), ('e', ''),
        ('f', 'web') AS t(id, platform)"""
    found = rows_of(spark, query, call="device", user_id="id", device_token="id", device_type="platform")
    assert {row["record_id"]: row["error_code"] for row in found} == {
        "a": None,
        "b": "invalid_device_type",
        "c": None,
        "d": None,
        "e": "invalid_device_type",
        "f": "invalid_device_type",
    }


@pytest.mark.parametrize(
    ("section", "sentence"),
    [
        ({"call": "track", "event": {"value": "é" * 51}}, "payload.event is longer than 100 bytes"),
        ({"call": "track", "event": {"value": " "}}, "payload.event is empty"),
        ({"call": "group", "group_id": {"value": "x" * 151}}, "payload.group_id is longer than 150 bytes"),
        (
            {"call": "relationship_delete", "object_id": "id", "object_type_id": {"value": "abc"}},
            "payload.object_type_id must be a whole number",
        ),
    ],
)
def test_a_constant_that_no_record_could_carry_is_refused(spark: SparkSession, section: Any, sentence: str) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        judged(spark, "SELECT '1' id, 'u' u", {"user_id": "u", **section})


def plan(records: DataFrame, capsys: pytest.CaptureFixture[str]) -> str:
    records.explain(True)
    return capsys.readouterr().out


def test_rules_for_constants_are_not_asked_of_every_record(
    spark: SparkSession, capsys: pytest.CaptureFixture[str]
) -> None:
    query = "SELECT string(id) id, concat('u', id) u, concat('e', id) e FROM range(3)"
    constant = plan(judged(spark, query, {"call": "track", "user_id": "u", "event": {"value": "Bought"}}), capsys)
    assert "regexp" not in constant
    assert "event_name_too_long" not in constant
    assert "missing_event_name" not in constant
    varying = plan(judged(spark, query, {"call": "track", "user_id": "u", "event": "e"}), capsys)
    assert "regexp" in varying
    assert "event_name_too_long" in varying


def test_a_constant_identity_is_never_missing(spark: SparkSession) -> None:
    query = "SELECT 'r' id, '' u"
    section = {"call": "track", "user_id": "u", "anonymous_id": {"value": "anyone"}, "event": {"value": "E"}}
    (row,) = rows_of(spark, query, **section)
    assert (row["error_code"], row["person_key"], "userId" in json.loads(row["payload"])) == (None, "anyone", False)


@pytest.mark.parametrize(
    ("scalar", "sentence"),
    [
        ("(SELECT max(id) FROM range(3))", "has a subquery"),
        ("id IN (SELECT 'x')", "has a subquery"),
        ("EXISTS (TABLE t)", "has a subquery"),
        ("unix_timestamp()", "has another value on every run"),
        ("sum(amount)", "is not a value of one row"),
        ("count(*) > 1", "is not a value of one row"),
        ("explode(items)", "is not a value of one row"),
        ("array(explode(items))", "is not a value of one row"),
        ("rank() OVER (ORDER BY id)", "is not a value of one row"),
    ],
)
def test_a_scalar_that_is_no_fixed_value_of_one_row_is_refused(spark: SparkSession, scalar: str, sentence: str) -> None:
    section = {"call": "track", "user_id": scalar, "event": {"value": "E"}, "properties": {"set": {"x": scalar}}}
    with pytest.raises(ConfigurationError) as caught:
        judged(spark, "SELECT '1' id, 2D amount, array(1, 2) items", section)
    problems = {problem.path: problem.message for problem in caught.value.problems}
    assert set(problems) == {"payload.user_id", "payload.properties.set.x"}
    assert all(message.startswith(sentence) for message in problems.values())


def test_columns_called_like_functions_and_texts_about_them_are_no_matter(spark: SparkSession) -> None:
    section = {
        "call": "track",
        "user_id": "uuid",
        "event": "concat('select now() ', random)",
        "properties": {"include": ["now", "select", "uuid"], "set": {"all": "struct(*)", "n": "size(items)"}},
    }
    (row,) = rows_of(spark, "SELECT '1' id, 'u' uuid, 'r' random, 1 now, 2 `select`, array(1) items", **section)
    payload = json.loads(row["payload"])
    assert (payload["userId"], payload["event"]) == ("u", "select now() r")
    assert {name: payload["properties"][name] for name in ("now", "select", "uuid", "n")} == {
        "now": 1,
        "select": 2,
        "uuid": "u",
        "n": 1,
    }
