"""Tests that a staging keeps the columns that a sync uses, and returns them unchanged.

The columns may have any names and types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import types as T
from sync_bench import Bench

from cio_spark.config.sections import SourceSection
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.pipeline import preview_sync
from cio_spark.results import Staging
from cio_spark.source import open_source
from cio_spark.spark.versions import IS_SPARK_4

COLLATED = " COLLATE UTF8_LCASE" if IS_SPARK_4 else ""
# Spark 3.5 refuses a generated column in a table that is named by its folder
GENERATED = " GENERATED ALWAYS AS (year(born))" if IS_SPARK_4 else ""
ODD = f"""
SELECT 'p1' AS id, 'Ann' AS `First Name`, interval 1 day AS unused, NULL AS phone, NULL AS void, array() AS tags,
  'PRO'{COLLATED} AS plan, 7 AS _commit_version, named_struct('a b', 1, 'c;d', NULL) AS `deep, too`,
  map('k', 1) AS pairs
"""
TRAITS = {
    "include": "*",
    "except": ["_commit_version", "unused", "void", "id"],
    "set": {"version": "_commit_version", "is_pro": "lower(plan) = 'pro'"},
}
PEOPLE: dict[str, Any] = {"call": "identify", "record_id": "id", "user_id": "id", "traits": TRAITS}


def traits_of(bench: Bench) -> list[Any]:
    return [message["payload"]["traits"] for message in bench.api.received.all()]


def test_a_query_with_odd_names_and_types_is_staged_and_sent(bench: Callable[..., Bench]) -> None:
    people = bench(PEOPLE)
    result = people.run(source={"query": ODD})
    assert (result.exit_status, result.books.balanced) == (ExitStatus.SUCCESS, True)
    assert traits_of(people) == [
        {
            "First Name": "Ann",
            "tags": [],
            "plan": "PRO",
            "deep, too": {"a b": 1},
            "pairs": {"k": 1},
            "version": 7,
            "is_pro": True,
        }
    ]


def test_a_limit_on_a_table_with_mapped_generated_and_defaulted_columns_is_sent(bench: Callable[..., Bench]) -> None:
    payload = {**PEOPLE, "traits": {"include": ["First Name", "st"], "set": {"year": "coalesce(born_in, year(born))"}}}
    people = bench(payload)
    place = f"delta.`{people.source}`"
    people.spark.sql(
        f"CREATE TABLE {place} (id STRING NOT NULL, `First Name` STRING DEFAULT 'nobody', st STRUCT<`a b`: INT>, "
        f"born DATE, born_in INT{GENERATED}) USING delta TBLPROPERTIES "
        "('delta.columnMapping.mode' = 'name', 'delta.feature.allowColumnDefaults' = 'supported')"
    )
    people.spark.sql(
        f"INSERT INTO {place} (id, `First Name`, st, born) VALUES ('p1', 'Ann', named_struct('a b', 1), '2001-01-01')"
    )
    result = people.run(limit=1, source={"path": str(people.source), "where": "born < date'today'"})
    assert (result.exit_status, result.books.balanced) == (ExitStatus.SUCCESS, True)
    assert traits_of(people) == [{"First Name": "Ann", "st": {"a b": 1}, "year": 2001}]


@pytest.mark.parametrize("limit", [None, 5])
def test_a_used_column_that_delta_cannot_hold_is_named_and_nothing_is_sent(
    bench: Callable[..., Bench], limit: int | None
) -> None:
    payload = {**PEOPLE, "traits": {"set": {"until": "timestamp'2026-01-01' + gap"}}}
    people = bench(payload)
    config = people.config(source={"query": "SELECT 'p1' AS id, interval 1 day AS gap, interval 2 day AS until"})
    for start in (
        lambda: people.run(limit=limit, source=config.source.model_dump(exclude_none=True)),
        lambda: preview_sync(config, spark=people.spark, warehouse=people.warehouse, limit=limit),
    ):
        with pytest.raises(ConfigurationError, match="column `gap` has type interval day, which no Delta table holds"):
            start()
    assert people.api.received.count() == 0


def test_staged_columns_come_back_as_they_were_also_for_another_run(spark: SparkSession, orders: Bench) -> None:
    rows = spark.sql(ODD)
    used = [name for name in rows.columns if name != "unused"]
    staging = Staging(orders.tables, "01STAGED")
    given_back = [staging.stage(rows, used), Staging(orders.tables, "01STAGED").rows()]
    for found in given_back:
        assert found is not None
        assert found.columns == rows.columns
        assert found.drop("unused").collect() == rows.drop("unused").collect()
        kinds = [dict(one.dtypes) for one in (found, rows)]
        assert all(kinds[0][name] == kinds[1][name] for name in ("id", "plan", "pairs", "phone"))
        assert isinstance(found.schema["unused"].dataType, T.NullType)
        assert found.count() == 1
        with pytest.raises(Exception, match="column `unused` was not staged"):
            found.select("unused").collect()
    table = orders.tables.folder("staging_01staged_rows")
    assert [field.name for field in spark.read.format("delta").load(str(table)).schema] == [
        f"c{place}" for place in range(len(rows.columns)) if rows.columns[place] != "unused"
    ]
    staging.drop()
    assert staging.rows() is None


def test_the_rows_of_a_condition_that_changes_stay_the_same_once_staged(orders: Bench) -> None:
    orders.write_sql("SELECT cast(id AS STRING) AS id FROM range(200)")
    said = SourceSection(path=str(orders.source), where="rand() < 0.5 AND id <> cast(timestamp'now' AS STRING)")
    opened = open_source(orders.spark, said, orders.tables.attach_source)
    staging = Staging(orders.tables, "01CHANGING")
    pinned = opened.staged(lambda rows: staging.stage(rows, ["id"]), None)
    assert (opened.repeatable, opened.version, pinned.repeatable) == (False, None, True)
    assert pinned.rows.collect() == pinned.rows.collect()
    staging.drop()


def test_a_column_that_delta_cannot_hold_and_a_star_takes_in_is_a_problem_of_the_configuration(
    bench: Callable[..., Bench],
) -> None:
    people = bench({**PEOPLE, "traits": {"set": {"all": "cast(xxhash64(*) AS STRING)"}}})
    with pytest.raises(ConfigurationError, match="column `gap` has type interval"):
        people.run(source={"query": "SELECT 'a' AS id, INTERVAL 1 DAY AS gap"})
