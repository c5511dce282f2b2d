"""Tests that the few rows of an incremental run are kept in memory, unchanged, and that many rows go into a table."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from changing_source import PEOPLE, ChangingSource
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from sync_bench import Bench

from cio_spark.results import Staging, rows_in_memory
from cio_spark.results.rows_in_memory import rows_in_memory as keep
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
    "nested": "array(named_struct('a b', map('k', array(CAST(NULL AS INT), 1)), 'c', timestamp'1883-11-18 00:00:00Z'))",
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
            (name, f"hex({name})" if name in ("bad_utf8", "with_nul", "bytes") else f"CAST(xxhash64({name}) AS STRING)")
            for name in rows.columns
            if name != "nested"
        )
    ]
    return rows.select(*columns, F.to_json("nested")).collect()


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/New_York"])
def test_values_and_types_come_back_as_they_were(spark: SparkSession, zone: str) -> None:
    with temporary_settings(spark, {"spark.sql.session.timeZone": zone}):
        rows = spark.range(3).selectExpr(*[f"{sql} AS {name}" for name, sql in HOSTILE.items()])
        rows = rows.withMetadata("nested", {"cio_spark.origin": "{}"})
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


def test_a_type_that_might_change_on_its_way_goes_into_a_table(spark: SparkSession) -> None:
    assert keep(spark.sql("SELECT 'a' AS id, array(parse_json('{\"a\": 1.0}')) AS document"), 1) is None


@pytest.mark.parametrize(("most", "tables"), [(1_000, []), (2, ["rows"])])
def test_an_incremental_run_writes_a_table_only_for_many_rows(
    bench: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, most: int, tables: list[str]
) -> None:
    people = bench(PEOPLE)
    source = ChangingSource(people.spark, people.source)
    source.create()
    people.run(full=False)
    written: list[str] = []
    write = Staging._write

    def watched(self: Staging, rows: DataFrame, what: str, *partitions: str) -> DataFrame:
        written.append(what)
        return write(self, rows, what, *partitions)

    monkeypatch.setattr(Staging, "_write", watched)
    monkeypatch.setattr(rows_in_memory, "MOST_ROWS", most)
    source.set_plan("id IN ('r1', 'r2', 'r3')", "gold")
    result = people.run(full=False)
    assert result.scope is not None
    assert (result.scope.scope.value, result.books.delivery.accepted, written) == ("incremental", 3, tables)
    sent = [message["payload"] for message in people.api.received.all()][-3:]
    assert [payload["traits"]["plan"] for payload in sent] == ["gold"] * 3
