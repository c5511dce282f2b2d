"""Tests that an incremental run reads a few rows from memory, unchanged, and that a dead run leaves them in a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from changing_source import PEOPLE, ChangingSource
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sync_bench import Bench, staged

from cio_spark.clock import SystemClock
from cio_spark.errors import CioSparkError
from cio_spark.pipeline import waves
from cio_spark.pipeline.run_context import RunContext
from cio_spark.results import Staging, rows_in_memory
from cio_spark.results.rows_in_memory import rows_in_memory as keep
from cio_spark.results.staged_columns import columns_to_stage
from cio_spark.spark.conf import temporary_settings
from cio_spark.spark.versions import IS_SPARK_4

pytestmark = pytest.mark.skipif(not IS_SPARK_4, reason="Spark 3.5 always writes the rows to a table")

HOSTILE = {
    "bad_utf8": "CAST(X'41FF42' AS STRING)",
    "with_nul": "concat('a', char(0), 'b')",
    "empty": "''",
    "wide": "repeat('é𝄞', 20000)",
    "none": "CAST(NULL AS STRING)",
    "bytes": "X'00FF'",
    "not_a_number": "double('NaN')",
    "minus_zero": "-double('0')",
    "small": "float('1e-45')",
    "exact": "CAST('99999999999999999999.999999999999999999' AS DECIMAL(38, 18))",
    "first_day": "date'0001-01-01'",
    "last_day": "date'9999-12-31'",
    "first_instant": "timestamp'0001-01-01 00:00:00.000001Z'",
    "last_instant": "timestamp'9999-12-31 00:00:00.999999Z'",
    "twice_an_hour": "timestamp'2024-10-27 00:30:00.123456Z'",
    "wall_clock": "timestamp_ntz'2024-10-27 02:30:00.123456'",
    "nested": "array(named_struct('a b', array(CAST(NULL AS INT), 1), 'c', timestamp'1883-11-18 00:00:00Z'), NULL)",
    "no_array": "CAST(NULL AS ARRAY<STRUCT<a: TIMESTAMP>>)",
    "no_struct": "CAST(NULL AS STRUCT<a: TIMESTAMP, b: ARRAY<INT>>)",
    "nulls_inside": "CAST(named_struct('a', NULL, 'b', NULL) AS STRUCT<a: TIMESTAMP, b: ARRAY<INT>>)",
    "largest": "9223372036854775807",
    "tiny": "CAST(-128 AS TINYINT)",
}


def as_bytes(rows: DataFrame) -> list[Any]:
    """Return the values as Spark has them, in a form in which equal texts mean equal bytes."""
    columns = [
        F.expr(
            f"CASE WHEN {name} IS NULL THEN NULL ELSE concat(hex(to_json(named_struct('v', {name}))), ' ', {said}) END"
        )
        for name, said in (
            (name, f"hex({name})" if kind in ("string", "binary") else f"CAST(xxhash64({name}) AS STRING)")
            for name, kind in rows.dtypes
        )
    ]
    return rows.select(*columns).collect()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_values_and_types_come_back_as_they_were(spark: SparkSession, zone: str) -> None:
    with temporary_settings(spark, {"spark.sql.session.timeZone": zone}):
        rows = columns_to_stage(
            spark.range(3).selectExpr(*[f"{sql} AS {name}" for name, sql in HOSTILE.items()]), HOSTILE
        )
        kept = keep(rows, 3)
        assert kept is not None
        assert kept.schema == rows.schema
        assert as_bytes(kept) == as_bytes(rows)


def test_rows_that_are_more_than_expected_go_into_a_table(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = spark.range(5).toDF("id")
    assert keep(rows, rows_in_memory.MOST_ROWS + 1) is None
    monkeypatch.setattr(rows_in_memory, "MOST_ROWS", 4)
    assert keep(rows, 1) is None
    monkeypatch.setattr(rows_in_memory, "MOST_ROWS", 5)
    kept = keep(rows, 1)
    assert kept is not None
    assert sorted(row["id"] for row in kept.collect()) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    "rows",
    [
        "SELECT 'a' AS id, array(parse_json('{\"a\": 1.0}')) AS document",
        "SELECT 'a' AS id, struct(CAST(NULL AS MAP<STRING, TIMESTAMP>) AS days) AS document",
        f"SELECT 'a' AS id, repeat('x', {rows_in_memory.MOST_BYTES}) AS document",
    ],
)
def test_what_might_change_on_its_way_or_is_large_is_read_from_a_table(spark: SparkSession, rows: str) -> None:
    assert keep(spark.sql(rows), 1) is None


def test_no_row_is_also_kept(spark: SparkSession) -> None:
    rows = spark.sql("SELECT 'a' AS id, array(named_struct('b', 1)) AS nested, timestamp_ntz'2024-01-01' AS at LIMIT 0")
    kept = keep(rows, 1)
    assert kept is not None
    assert (kept.schema, kept.collect()) == (rows.schema, [])


def test_rows_that_cannot_be_read_because_the_run_is_cancelled_are_not_read_again(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cancelled(_: DataFrame) -> Any:
        raise RuntimeError("[SPARK_JOB_CANCELLED] Job 7 cancelled")

    monkeypatch.setattr(rows_in_memory, "to_arrow", cancelled)
    with pytest.raises(RuntimeError):
        keep(spark.range(1).toDF("id"), 1)


@pytest.mark.parametrize("most", [1_000, 2])
def test_rows_are_in_their_table_before_the_first_request_and_gone_at_the_end(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, most: int
) -> None:
    people = bench(PEOPLE)
    source = ChangingSource(people.spark, people.source)
    source.create()
    people.run(full=False)
    monkeypatch.setattr(rows_in_memory, "MOST_ROWS", most)
    save, append = Staging._save, waves._append
    found: list[int] = []

    def save_slowly(self: Staging, rows: DataFrame, what: str, *partitions: str) -> None:
        SystemClock().sleep(3)
        save(self, rows, what, *partitions)

    def count_and_append(run: RunContext, *rest: Any) -> int:
        rows = Staging(people.tables, run.claim.run_id).rows()
        found.append(-1 if rows is None else rows.count())
        return append(run, *rest)

    monkeypatch.setattr(Staging, "_save", save_slowly)
    monkeypatch.setattr(waves, "_append", count_and_append)
    source.set_plan("id IN ('r1', 'r2', 'r3')", "gold")
    result = people.run(full=False)
    assert result.scope is not None
    assert (result.scope.scope.value, result.books.delivery.accepted, found) == ("incremental", 3, [3])
    sent = [message["payload"] for message in people.api.received.all()][-3:]
    assert [payload["traits"]["plan"] for payload in sent] == ["gold"] * 3
    assert staged(people) == []


def test_a_run_whose_rows_cannot_be_written_sends_nothing(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    people = bench(PEOPLE)
    source = ChangingSource(people.spark, people.source)
    source.create()
    people.run(full=False)
    sent = people.api.received.count()

    def fail(*_: Any) -> None:
        raise OSError("the disk is full")

    source.set_plan("id = 'r1'", "gold")
    with monkeypatch.context() as broken:
        broken.setattr(Staging, "_save", fail)
        with pytest.raises(CioSparkError):
            people.run(full=False)
    assert people.api.received.count() == sent
    again = people.run(full=False)
    assert (again.books.balanced, again.books.delivery.accepted) == (True, 1)
