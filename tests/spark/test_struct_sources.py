"""Tests a struct that is the whole of properties or traits.

The subjects are policies by field, and names that are checked before a run.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cio_spark.config.payload import PayloadSection
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.payload import prepare_records
from cio_spark.validation import validate_records

STRUCT = (
    "named_struct('plan', 'a', 'plan_end', CAST(NULL AS STRING), 'gone', CAST(NULL AS STRING), "
    "'at', timestamp'2026-03-01 12:00:00Z', 'day', date'2026-03-01', "
    "'inner', named_struct('x', CAST(NULL AS STRING), 'y', 1))"
)
QUERY = f"SELECT 'r' AS id, {STRUCT} AS whole UNION ALL SELECT 'none', NULL"


def section(**said: Any) -> dict[str, Any]:
    return {"call": "identify", "record_id": "id", "user_id": "id", "traits_from": "whole", **said}


def traits(spark: SparkSession, said: dict[str, Any], query: str = QUERY) -> dict[str, Any]:
    """Return the traits of each record in the order of the JSON text, and check that every record is valid."""
    payload = PayloadSection.model_validate(said)
    records = validate_records(prepare_records(spark.sql(query), payload), payload.call)
    rows = records.select("record_id", "payload", "error_code").collect()
    assert {row["error_code"] for row in rows} == {None}
    return {row["record_id"]: json.loads(row["payload"]).get("traits") for row in rows}


def problems(spark: SparkSession, said: dict[str, Any], query: str = QUERY) -> list[str]:
    with pytest.raises(ConfigurationError) as raised:
        prepare_records(spark.sql(query), PayloadSection.model_validate(said))
    assert raised.value.exit_status is ExitStatus.CONFIGURATION_ERROR
    return [str(problem) for problem in raised.value.problems]


def wide(fields: int) -> str:
    return "named_struct(" + ", ".join(f"'n{number}', 1" for number in range(fields)) + ")"


def test_nulls_and_timestamps_by_field_reach_the_fields_of_a_struct(spark: SparkSession) -> None:
    plain = {"plan": "a", "at": 1772366400, "day": 1772323200, "inner": {"y": 1}}
    assert traits(spark, section())["r"] == plain
    found = traits(spark, section(nulls={"send": ["plan_end", "inner"]}, timestamps={"iso": ["at"]}))
    at = "2026-03-01T12:00:00.000Z"
    assert found["r"] == {**plain, "at": at, "plan_end": None, "inner": {"x": None, "y": 1}}
    assert not found["none"]
    only_times = section(timestamps={"default": "iso", "unix_seconds": ["day"]})
    assert traits(spark, only_times)["r"] == {**plain, "at": at}
    dropping = section(nulls={"default": "send", "drop": ["gone"]})
    assert traits(spark, dropping)["r"] == {**plain, "plan_end": None, "inner": {"x": None, "y": 1}}
    assert not traits(spark, dropping)["none"]


def test_a_struct_without_policies_by_field_keeps_its_bytes(spark: SparkSession) -> None:
    payload = PayloadSection.model_validate(section(nulls={"send": ["ip"]}, context={"set": {"ip": "id"}}))
    (text,) = (row["payload"] for row in prepare_records(spark.sql(QUERY).limit(1), payload).collect())
    assert '"traits":{"plan":"a","at":1772366400,"day":1772323200,"inner":{"y":1}}' in text


@pytest.mark.parametrize(
    ("policies", "said"),
    [
        (
            {"nulls": {"send": ["plan_edn"]}},
            "payload.nulls.send names 'plan_edn', which is no field of traits; did you",
        ),
        (
            {"nulls": {"drop": ["Plan"]}},
            "payload.nulls.drop names 'Plan', which is no field of traits; did you mean 'plan'",
        ),
        ({"timestamps": {"iso": ["att"]}}, "payload.timestamps.iso names 'att', which is no field of traits; did you"),
        (
            {"timestamps": {"unix_seconds": ["zzz"]}},
            "payload.timestamps.unix_seconds names 'zzz', which is no field of",
        ),
    ],
)
def test_a_policy_that_names_no_field_is_refused_with_the_nearest_name(
    spark: SparkSession, policies: dict[str, Any], said: str
) -> None:
    (problem,) = problems(spark, section(**policies))
    assert problem.startswith(said)
    listed = {"traits_from": None, "traits": {"include": ["id"], "set": {"plan": "id", "plan_end": "id", "at": "id"}}}
    (problem,) = problems(spark, {**section(**policies), **listed})
    assert problem.startswith(said)


@pytest.mark.parametrize("whole", ["to_json(whole)", "map('plan', whole.plan)"])
def test_policies_by_field_are_refused_where_only_the_rows_know_the_names(spark: SparkSession, whole: str) -> None:
    said = section(traits_from=whole, nulls={"send": ["plan"]}, timestamps={"default": "iso", "unix_seconds": ["at"]})
    nulls, times = problems(spark, said)
    assert nulls == (
        "payload.nulls.send names 'plan', but only the rows know which names are in traits_from, which is a map or "
        "JSON text: make it a struct (from_json with a schema), or set nulls.default"
    )
    assert times.startswith("payload.timestamps.unix_seconds names 'at', but only the rows know")
    known = {**said, "context": {"set": {"plan": "id", "at": "id"}}}
    prepare_records(spark.sql(QUERY), PayloadSection.model_validate(known))


def test_names_in_a_struct_are_checked_before_a_run(spark: SparkSession) -> None:
    long = "é" * 76
    whole = f"named_struct('_own', 1, '{long}', 2, 'inner', named_struct('_deep', 3), 'wide', {wide(301)})"
    said = problems(spark, section(traits_from=whole))
    assert said == [
        "payload.traits_from: the name '_own' is reserved: names must not start with '_'; rename it in the struct",
        f"payload.traits_from: the name {long[:40]!r}… is longer than 150 bytes",
        "payload.traits_from: the name '_deep' is reserved: names must not start with '_'; rename it in the struct",
        "payload.traits_from has 301 fields, Customer.io takes 300",
    ]
    column = {"traits_from": None, "traits": {"set": {"s": "named_struct('_own', 1)"}}}
    (nested,) = problems(spark, {**section(), **column})
    assert nested.startswith("payload.traits.set.s: s: the name '_own' is reserved")
    prepare_records(spark.sql(QUERY), PayloadSection.model_validate(section(traits_from=wide(300))))


def test_a_misspelt_column_is_said_once_whatever_policies_name_it(spark: SparkSession) -> None:
    listed = {"traits_from": None, "traits": {"include": ["wole"]}, "nulls": {"send": ["wole"]}}
    (problem,) = problems(spark, {**section(), **listed})
    assert problem.startswith("payload.traits: there is no column `wole`")
    (problem,) = problems(spark, section(traits_from="wole", nulls={"send": ["plan_end"]}))
    assert problem.startswith("payload.traits_from")
