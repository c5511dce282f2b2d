"""Tests that rows are compared by the hash of their columns, with the same result as by their payloads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from changing_source import PEOPLE, ChangingSource
from pyspark.sql import DataFrame, SparkSession
from sync_bench import Bench

from cio_spark.clock import SystemClock
from cio_spark.coverage import Scope
from cio_spark.model import SyncResult
from cio_spark.payload import hash_columns
from cio_spark.pipeline import preview_sync, source_comparison
from cio_spark.results import maintain_tables
from cio_spark.spark.versions import IS_SPARK_4
from cio_spark.standin import Fault

STATES = ("source_rows", "superseded", "unchanged", "changed_ignored", "held", "new", "changed", "again")
LENIENT = {"batch": {"error_threshold_percent": 100.0, "retry_attempts": 0}}


@pytest.fixture
def people(bench: Callable[..., Bench]) -> Bench:
    # Without the change feed, a run compares all rows whenever the table has a new version
    return bench(PEOPLE, source={"changes": "off"}, **LENIENT)


@pytest.fixture
def source(people: Bench) -> ChangingSource:
    """Return the source of `people`, with 60 rows that a first run has sent."""
    table = ChangingSource(people.spark, people.source)
    table.create(60)
    assert people.run().books.delivery.accepted == 60
    return table


def hashes(rows: DataFrame) -> list[int | None]:
    column = hash_columns("mapping", rows.schema.fields)
    assert column is not None
    return [row[0] for row in rows.select(column).collect()]


def compare(people: Bench, source: ChangingSource, **sections: Any) -> SyncResult:
    """Run the sync over all rows, after a change of a column that the mapping does not read."""
    source.sql("UPDATE {people} SET active = NOT active WHERE id = 'r0'")
    result: SyncResult = people.run(full=False, **sections)
    assert result.scope is not None
    assert result.scope.scope is Scope.FULL
    assert result.books.balanced
    return result


def spoil_payload_hashes(people: Bench) -> None:
    """Make every record look changed to a comparison of payloads."""
    people.spark.sql(f"UPDATE {people.tables.name('record_status')} SET payload_hash = 0").collect()


@pytest.mark.parametrize(
    "values",
    [
        ["CAST(NULL AS STRING)", "''", "' '", "'null'"],
        ["CAST(0.0 AS DOUBLE)", "CAST('-0.0' AS DOUBLE)", "CAST('NaN' AS DOUBLE)", "CAST(NULL AS DOUBLE)"],
        ["CAST(0.0 AS FLOAT)", "CAST('-0.0' AS FLOAT)", "CAST(1e-45 AS FLOAT)"],
        ["timestamp'2026-01-01 00:00:00.000001'", "timestamp'2026-01-01 00:00:00.000002'"],
        ["array(timestamp'2026-01-01 00:00:00.000001')", "array(timestamp'2026-01-01 00:00:00.000002')"],
        ["array(CAST(NULL AS STRING), 'a')", "array('a', CAST(NULL AS STRING))", "array('a')", "array('null', 'a')"],
        ["array(CAST('-0.0' AS DOUBLE))", "array(CAST(0.0 AS DOUBLE))"],
        ["named_struct('a', 'x', 'b', CAST(NULL AS STRING))", "named_struct('a', CAST(NULL AS STRING), 'b', 'x')"],
        ["map('a', CAST(NULL AS STRING))", "CAST(map() AS MAP<STRING, STRING>)", "map('a', '')", "map('b', '')"],
        ["CAST(NULL AS ARRAY<STRUCT<a: INT>>)", "array(CAST(NULL AS STRUCT<a: INT>))", "array(named_struct('a', 1))"],
        ["X'00'", "X''", "X'0000'", "CAST(NULL AS BINARY)"],
        ["array(X'ff')", "array(X'fe')"],
        ["CAST(1.10 AS DECIMAL(30, 2))", "CAST(1.11 AS DECIMAL(30, 2))"],
        ["true", "false", "CAST(NULL AS BOOLEAN)"],
    ],
)
def test_values_that_differ_have_different_hashes(spark: SparkSession, values: list[str]) -> None:
    rows = spark.sql(" UNION ALL ".join(f"SELECT 'r' AS id, {value} AS value, 'z' AS last" for value in values))
    found = hashes(rows)
    assert None not in found
    assert len(set(found)) == len(values)
    assert hashes(rows) == found


def test_a_null_of_one_column_is_not_a_null_of_the_next(spark: SparkSession) -> None:
    rows = spark.sql("SELECT 'a' AS one, CAST(NULL AS STRING) AS two UNION ALL SELECT NULL, 'a'")
    assert len(set(hashes(rows))) == 2


def test_a_row_with_a_nested_text_that_is_not_utf8_has_no_hash(spark: SparkSession) -> None:
    assert hashes(spark.sql("SELECT 'r' AS id, array(CAST(X'ff' AS STRING)) AS value")) == [None]


@pytest.mark.parametrize("value", ["make_ym_interval(1, 2)", "map(X'00', 1)"])
def test_columns_of_a_type_that_is_not_hashed_exactly_have_no_hash(spark: SparkSession, value: str) -> None:
    assert hash_columns("mapping", spark.sql(f"SELECT {value} AS value").schema.fields) is None


def test_texts_that_a_collation_treats_alike_have_different_hashes(spark: SparkSession) -> None:
    if not hasattr(spark.sql("SELECT 'a' AS a").schema[0].dataType, "collation"):
        pytest.skip("Spark 3.5 has no collations")
    rows = spark.sql("SELECT 'a' COLLATE UTF8_LCASE AS value UNION ALL SELECT 'A' COLLATE UTF8_LCASE")
    assert len(set(hashes(rows))) == 2


def test_an_unchanged_row_needs_no_payload(people: Bench, source: ChangingSource) -> None:
    spoil_payload_hashes(people)
    assert compare(people, source).books.survey.unchanged == 60


@pytest.mark.usefixtures("source")
def test_full_compares_payloads(people: Bench) -> None:
    spoil_payload_hashes(people)
    assert people.run(full=True).books.survey.changed == 60


def test_another_mapping_of_the_same_columns_makes_rows_changed(people: Bench, source: ChangingSource) -> None:
    payload = {**PEOPLE, "traits": {"set": {"plan": "upper(plan)"}}}
    changed = compare(people, source, payload=payload)
    assert (changed.books.survey.changed, changed.books.delivery.accepted) == (60, 60)
    assert compare(people, source, payload=payload).books.survey.unchanged == 60


@pytest.mark.parametrize("plan", ["upper(identifier('plan'))", "to_json(struct(ALL *))"])
def test_a_column_that_stands_in_no_plain_word_is_not_overlooked(bench: Callable[..., Bench], plan: str) -> None:
    people = bench({**PEOPLE, "traits": {"set": {"plan": plan}}}, source={"changes": "off"})
    source = ChangingSource(people.spark, people.source)
    source.create(40)
    people.run()
    source.set_plan("true", "paid")
    assert compare(people, source).books.delivery.accepted == 40


@pytest.mark.skipif(not IS_SPARK_4, reason="Spark 3.5 with Delta does not parse DECLARE")
def test_a_session_variable_makes_every_run_compare_payloads(bench: Callable[..., Bench]) -> None:
    people = bench({**PEOPLE, "traits": {"set": {"plan": "concat(plan, rate)"}}})
    source = ChangingSource(people.spark, people.source)
    people.spark.sql("DECLARE OR REPLACE VARIABLE rate STRING DEFAULT '1'")
    try:
        source.create(40)
        people.run()
        people.spark.sql("SET VAR rate = '2'")
        again = people.run(full=False)
        assert again.books.delivery.accepted == 40
        assert again.scope is not None
        assert again.scope.reason == "rate is a variable of the session, whose value may change"
    finally:
        people.spark.sql("DROP TEMPORARY VARIABLE rate")


def test_rows_that_were_staged_have_the_hash_of_rows_that_were_not(bench: Callable[..., Bench]) -> None:
    people = bench({**PEOPLE, "traits": {"include": ["home"]}}, source={"changes": "off"})
    source = ChangingSource(people.spark, people.source)
    people.spark.sql(
        f"CREATE TABLE {source.name} (id STRING, person STRING, active BOOLEAN, at TIMESTAMP, "
        "home STRUCT<city: STRING NOT NULL COMMENT 'of birth', moved: ARRAY<TIMESTAMP>> COMMENT 'where') USING delta"
    ).collect()
    source.sql(
        "INSERT INTO {people} SELECT concat('r', id), concat('p', id), true, timestamp_seconds(id), "
        "named_struct('city', 'Bonn', 'moved', array(timestamp_seconds(id))) FROM range(40)"
    )
    people.run()
    source.sql("UPDATE {people} SET home = named_struct('city', 'Kiel', 'moved', home.moved) WHERE id IN ('r1', 'r2')")
    assert compare(people, source).books.survey.changed == 2  # these two were staged
    spoil_payload_hashes(people)
    assert compare(people, source).books.survey.unchanged == 40


@pytest.mark.parametrize("hashes_in_memory", [2_000_000, pytest.param(1, marks=pytest.mark.slow)])
def test_all_states_are_those_that_the_payloads_give(
    people: Bench, source: ChangingSource, monkeypatch: pytest.MonkeyPatch, hashes_in_memory: int
) -> None:
    monkeypatch.setattr(source_comparison, "MOST_HASHES", hashes_in_memory)
    people.api.script(Fault(poison=frozenset({"p3", "p50"})))
    source.set_plan("id = 'r1'", "paid")  # changed
    source.set_plan("id = 'r3'", "paid")  # rejected, then held
    source.set_plan("id = 'r2'", "paid")  # accepted, then as before
    source.insert(100, 2)
    source.sql("INSERT INTO {people} SELECT * FROM {people} WHERE id = 'r5'")  # superseded
    source.sql("UPDATE {people} SET person = NULL WHERE id = 'r6'")  # invalid, then held
    source.sql("INSERT INTO {people} SELECT NULL, person, plan, active, at FROM {people} WHERE id = 'r7'")
    for step in range(2):
        assert_states_like_by_payloads(people, source)
        source.set_plan("id = 'r2'", "free")
        source.delete("id = 'r8'")
        source.set_plan(f"id = 'r1{step}'", "paid")
    people.api.clear_faults()
    assert_states_like_by_payloads(people, source)
    maintain_tables(people.tables, keep_days=0, now=SystemClock().now())
    assert_states_like_by_payloads(people, source)


def test_many_changed_rows_are_compared_by_their_payloads(people: Bench, source: ChangingSource) -> None:
    source.set_plan("id > 'r3'", "paid")
    assert_states_like_by_payloads(people, source)
    assert compare(people, source).books.survey.unchanged == 60


def test_rows_of_a_package_without_hashes_are_compared_by_their_payloads(people: Bench, source: ChangingSource) -> None:
    people.spark.sql(f"UPDATE {people.tables.name('record_status')} SET source_hash = NULL").collect()
    assert compare(people, source).books.survey.unchanged == 60


def assert_states_like_by_payloads(people: Bench, source: ChangingSource) -> None:
    """Run the sync, and compare its counts with those of a preview, which compares payloads."""
    preview = preview_sync(people.config(), spark=people.spark, warehouse=people.warehouse, full=True)
    result = compare(people, source)
    assert {name: getattr(result.books.survey, name) for name in STATES} == {
        name: getattr(preview.counts, name) for name in STATES
    }
    assert result.books.delivery.invalid == preview.counts.invalid
