"""Tests which rows `source.where` keeps, and that files are skipped.

A condition that fails is named without the value on which it fails.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import DataFrame, SparkSession

from cio_spark.source.where import keep
from cio_spark.spark.failures import explain_failure

ROWS = """
SELECT *, struct(text AS s) AS st FROM VALUES
  ('o1', '17', 4, timestamp '2026-01-01', 'ok'),
  ('o2', 'SECRET', 0, timestamp '2026-01-02', NULL),
  ('o3', NULL, NULL, NULL, 'no')
AS t(id, text, number, at, kind)
"""


@pytest.fixture(scope="module")
def rows(either_way: SparkSession) -> DataFrame:
    return either_way.sql(ROWS).localCheckpoint()


@pytest.mark.parametrize(
    "where",
    [
        "cast(text AS INT) > 1",
        "text > 1",
        "id = 'o2' AND cast(text AS INT) > 1",
        "id = 'o1' OR cast(text AS INT) > 1",
        "number >= 0 AND 10 / number > 2 AND abs(number) < 5",
        "number BETWEEN 0 AND text",
        "cast(text AS INT) BETWEEN 1 AND 3",
        "cast(text AS INT) > 1 AND cast(text AS INT) < 20",
        "cast(text AS INT) < 1 OR cast(text AS INT) > 20",
        "NOT (text = 17) AND id <> 'o1'",
        "kind IN ('ok', id) OR text IN (17, 18)",
        "(cast(text AS INT) = 17 OR id = 'o3')",
        "st IN (named_struct('s', 17))",
        "CASE WHEN id = 'o1' AND number = 4 THEN true ELSE text > 1 END",
    ],
)
def test_a_condition_that_fails_on_a_row_is_named_and_no_value_is(rows: DataFrame, where: str) -> None:
    with pytest.raises(Exception, match=r"\w") as caught:
        keep(rows, where).collect()
    assert "SECRET" not in str(caught.value)
    told = f"source.where: `{where}` fails on a row of the source; use try_cast"
    assert str(explain_failure(caught.value, {})).startswith(told)


@pytest.mark.parametrize(
    ("where", "kept"),
    [
        ("id = 'o1' AND cast(text AS INT) > 1", ["o1"]),
        ("text RLIKE '^[0-9]+$' AND cast(text AS INT) > 1", ["o1"]),
        ("cast(text AS INT) > 1 AND kind = 'ok'", ["o1"]),
        ("upper(kind) = 'OK' AND cast(text AS INT) > 1", ["o1"]),
        ("isnotnull(kind) AND cast(text AS INT) > 1", ["o1"]),
        ("try_cast(text AS INT) > 0 AND cast(text AS INT) > 1", ["o1"]),
        ("at = '2026-01-01' AND id LIKE 'o%' AND number + 2147483640 > 0", ["o1"]),
        ("id IN ('o1', 'o3') AND text IS NOT NULL AND text + 1 > 1", ["o1"]),
        ("at < current_timestamp() AND number <> 0 AND 10 / number > 2", ["o1"]),
        ("number IN (SELECT id FROM range(3))", ["o2"]),
        ("NOT cast(number AS STRING) = '4'", ["o2"]),
        ("text = ' AND ' AND id = 'a OR b'", []),
        ("(id = 'o1' OR (id = 'o2')) AND NOT (number = 0) AND upper(id) > ''", ["o1"]),
        ("'o2' <= id AND (at IS NULL OR at BETWEEN '2026-01-02' AND '2026-01-03') AND length(id) = 2", ["o2", "o3"]),
        ("id NOT LIKE '%1' AND number NOT BETWEEN 1 AND 9 AND length(id) > 0", ["o2"]),
        ("CASE WHEN id = 'o1' AND number = 4 THEN true ELSE false END AND length(id) > 0", ["o1"]),
        ("rand() < 2 AND upper(id) = 'O1'", ["o1"]),
        ("number > rand() AND upper(id) > ''", ["o1"]),
        ("monotonically_increasing_id() >= 0", ["o1", "o2", "o3"]),
        ("upper(kind) IS NULL", ["o2"]),
        ("number BETWEEN 0 AND 3 OR id = 'o3'", ["o2", "o3"]),
    ],
)
def test_a_condition_keeps_the_rows_it_holds_for(rows: DataFrame, where: str, kept: list[str]) -> None:
    assert sorted(row["id"] for row in keep(rows, where).collect()) == kept


@pytest.mark.parametrize(
    "where",
    [
        "year = 2021 AND upper(id) = '1'",
        "year IN (2020, 2021) AND length(id) > 0",
        "year BETWEEN 2020 AND 2021 AND length(id) > 0",
        "(year = 2020 OR year = 2021) AND length(id) > 0",
        "(2021 >= year) AND (NOT year > 2021) AND length(id) > 0",
        "day >= '2021-01-01' AND day < current_date() AND year <> 2022 AND length(id) > 0",
    ],
)
def test_files_that_a_part_rules_out_are_not_read(either_way: SparkSession, tmp_path: Path, where: str) -> None:
    table = either_way.range(4).selectExpr("cast(id AS STRING) AS id", "cast(2020 + id AS INT) AS year")
    table = table.selectExpr("*", "make_date(year, 6, 1) AS day")
    table.write.format("delta").partitionBy("year").save(str(tmp_path))
    for gone in (2022, 2023):
        if "day" not in where or gone == 2022:
            for file in (tmp_path / f"year={gone}").glob("*.parquet"):
                file.unlink()
    rows = either_way.read.format("delta").load(str(tmp_path))
    assert "1" in {row["id"] for row in keep(rows, where).collect()}


def test_a_value_of_a_partition_that_a_cast_fails_on_is_not_quoted(either_way: SparkSession, tmp_path: Path) -> None:
    table = either_way.sql("SELECT * FROM VALUES ('o1', '2021-01-01'), ('o2', 'SECRET') AS t(id, day)")
    table.write.format("delta").partitionBy("day").save(str(tmp_path))
    rows = either_way.read.format("delta").load(str(tmp_path))
    assert [row["id"] for row in keep(rows, "id <> 'o2' AND cast(day AS DATE) > '2020-01-01'").collect()] == ["o1"]
    with pytest.raises(Exception, match="fails on a row of the source") as caught:
        keep(rows, "cast(day AS DATE) > '2020-01-01'").collect()
    assert "SECRET" not in str(caught.value)


@pytest.mark.parametrize(
    "where", ["rand(42) < 0.5 AND length(name) > 0", "monotonically_increasing_id() % 2 = 0 AND length(name) > 0"]
)
def test_a_condition_of_chance_with_a_seed_is_asked_once_of_each_row(either_way: SparkSession, where: str) -> None:
    rows = either_way.range(2_000).selectExpr("cast(id AS STRING) AS name")
    assert {row["name"] for row in keep(rows, where).collect()} == {row["name"] for row in rows.where(where).collect()}
