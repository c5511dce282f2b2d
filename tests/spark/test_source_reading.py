"""Tests which rows a run reads.

The subjects are: tables of the right warehouse, in a fresh session too, and expressions that mean one row.
"""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession

from cio_spark import runtime
from cio_spark.config.sections import SourceSection, TablesSection
from cio_spark.errors import ConfigurationError, TableError
from cio_spark.results import Tables, catalog_entry, set_up_tables
from cio_spark.results.catalog_entry import find_entry
from cio_spark.source import open_source, order_columns
from cio_spark.spark import changing_values
from cio_spark.spark.changing_values import changes_by_itself
from cio_spark.spark.session import DEFAULT_WAREHOUSE, open_session

_names = itertools.count()
ORDERS = """
SELECT '1' AS id, 2D AS amount, array(1, 2) AS items, 'u' AS uuid, timestamp'2026-01-01' AS at, 'me' AS user,
  'x' AS current_date, 'end' AS `end`, 'desc' AS desc
"""


@pytest.fixture
def shop() -> str:
    """Return the name of a database of the test's own, because all tests share the session's catalog."""
    return f"shop{next(_names)}"


def tables_of(spark: SparkSession, warehouse: Path, database: str = "results") -> Tables:
    return Tables(spark, TablesSection(database=database), warehouse)


def write(spark: SparkSession, folder: Path, query: str = ORDERS) -> None:
    spark.sql(query).write.format("delta").save(str(folder))


def read(spark: SparkSession, warehouse: Path, **source: Any) -> list[Any]:
    opened = open_source(spark, SourceSection(**source), tables_of(spark, warehouse).attach_source)
    return [row["id"] for row in opened.rows.collect()]


@pytest.mark.parametrize("query", ["SELECT * FROM {0}.orders", "SELECT o.id FROM {0}.`orders` AS o, {0}.orders p"])
def test_a_query_finds_tables_of_the_warehouse_in_a_fresh_session(
    spark: SparkSession, tmp_path: Path, shop: str, query: str
) -> None:
    write(spark, tmp_path / shop / "orders")
    assert read(spark, tmp_path, query=query.format(shop)) == ["1"]


def test_a_condition_finds_tables_of_the_warehouse_and_its_rows_are_not_taken_for_pinned(
    spark: SparkSession, tmp_path: Path, shop: str
) -> None:
    write(spark, tmp_path / shop / "orders")
    write(spark, tmp_path / shop / "vip")
    where = f"id IN (SELECT id FROM {shop}.vip)"
    source = SourceSection(table=f"{shop}.orders", where=where)
    opened = open_source(spark, source, tables_of(spark, tmp_path).attach_source)
    assert (opened.rows.count(), opened.repeatable) == (1, False)


def test_tables_saved_by_spark_under_the_warehouse_are_found_too(
    spark: SparkSession, tmp_path: Path, shop: str
) -> None:
    write(spark, tmp_path / f"{shop}.db" / "orders")
    write(spark, tmp_path / f"alone_{shop}")
    assert read(spark, tmp_path, table=f"{shop}.orders") == ["1"]
    assert read(spark, tmp_path, table=f"spark_catalog.{shop}.orders") == ["1"]
    assert read(spark, tmp_path, table=f"alone_{shop}") == ["1"]


def test_two_warehouses_in_one_session_are_kept_apart(spark: SparkSession, tmp_path: Path, shop: str) -> None:
    for name in ("one", "two"):
        write(spark, tmp_path / name / shop / "orders", f"SELECT '{name}' AS id")
    for name in ("one", "two", "one"):
        assert read(spark, tmp_path / name, table=f"{shop}.orders") == [name]
        assert read(spark, tmp_path / name, query=f"SELECT * FROM {shop}.orders") == [name]
        tables = tables_of(spark, tmp_path / name, shop)
        assert tables.exists("orders")
        assert [row["id"] for row in tables.read("orders").collect()] == [name]
    with pytest.raises(ConfigurationError, match="there is no table or view"):
        read(spark, tmp_path / "three", table=f"{shop}.orders")


def test_own_tables_of_another_warehouse_are_not_written_to(spark: SparkSession, tmp_path: Path, shop: str) -> None:
    for name in ("one", "two three"):
        tables = tables_of(spark, tmp_path / name, shop)
        assert len(set_up_tables(tables)) >= 5
        assert (tmp_path / name / shop / "record_status" / "_delta_log").is_dir()
        assert set_up_tables(tables) == []


def test_a_folder_that_was_deleted_and_made_anew_is_read_anew(spark: SparkSession, tmp_path: Path, shop: str) -> None:
    tables = tables_of(spark, tmp_path, shop)
    set_up_tables(tables)
    spark.sql(f"INSERT INTO {tables.name('alerts')} (alert_id) VALUES ('a')")
    shutil.rmtree(tmp_path / shop)
    assert not tables.exists("alerts")
    set_up_tables(tables)
    assert (tables.read("alerts").count(), tables.version("alerts")) == (0, 0)
    write(spark, tmp_path / shop / "orders")
    assert read(spark, tmp_path, table=f"{shop}.orders") == ["1"]
    shutil.rmtree(tmp_path / shop / "orders")
    write(spark, tmp_path / shop / "orders", "SELECT '2' AS id")
    assert read(spark, tmp_path, table=f"{shop}.orders") == ["2"]


def test_a_managed_table_of_the_session_is_never_dropped(spark: SparkSession, tmp_path: Path, shop: str) -> None:
    spark.sql(f"CREATE DATABASE {shop} LOCATION '{tmp_path / 'session'}'")
    spark.sql("SELECT 'mine' AS id").write.format("delta").saveAsTable(f"{shop}.orders")
    write(spark, tmp_path / "warehouse" / shop / "orders")
    with pytest.raises(TableError, match=f"knows {shop}.orders as a table at"):
        read(spark, tmp_path / "warehouse", table=f"{shop}.orders")
    assert [row["id"] for row in spark.table(f"{shop}.orders").collect()] == ["mine"]
    assert read(spark, tmp_path / "elsewhere", table=f"{shop}.orders") == ["mine"]


NO_VALUE_OF_A_ROW = "is not a value of one row"


@pytest.mark.parametrize(
    ("order_by", "sentence"),
    [
        ("rand()", "has another value on every run"),
        ("current_date() DESC", "has another value on every run"),
        ("date'today'", "has another value on every run"),
        ("cast('now' AS TIMESTAMP)", "has another value on every run"),
        ("to_timestamp('now') DESC", "has another value on every run"),
        ("coalesce(at, 'today')", "has another value on every run"),
        ("date(concat('to', 'day'))", "has another value on every run"),
        ("reflect('java.util.UUID', 'randomUUID')", "has another value on every run"),
        ("concat(id, current_user())", "has another value on every run"),
        ("`current_timezone`()", "has another value on every run"),
        ("current_user", "has another value on every run"),
        ("(SELECT max(id) FROM range(3))", "has a subquery"),
        ("sum(amount) DESC", NO_VALUE_OF_A_ROW),
        ("sum(amount) + amount", NO_VALUE_OF_A_ROW),
        ("explode(items)", NO_VALUE_OF_A_ROW),
        ("row_number() OVER (ORDER BY id)", NO_VALUE_OF_A_ROW),
        ("*", "Spark refuses it"),
    ],
)
def test_an_order_that_is_no_fixed_value_of_one_row_is_refused(
    spark: SparkSession, order_by: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError) as caught:
        order_columns(spark.sql(ORDERS), [order_by])
    (problem,) = caught.value.problems
    assert problem.path == "source.order_by"
    assert sentence in problem.message


def test_a_column_may_be_called_like_a_function(spark: SparkSession) -> None:
    rows = spark.sql(ORDERS)
    order_by = ["uuid DESC", "`uuid`", "upper(uuid) NULLS LAST", "user", "upper(current_date)", "end DESC", "desc desc"]
    ranked = rows.select(*order_columns(rows, [*order_by, "concat('now', id)", "if(id = 'today', at, NULL)"]))
    assert ranked.collect()[0][:7] == ("u", "u", "U", "me", "X", "end", "desc")


@pytest.mark.parametrize(
    "where", ["sum(amount) > 1", "explode(items) > 1", "row_number() OVER (ORDER BY id) = 1", "count(*) > amount"]
)
def test_a_condition_that_is_no_value_of_one_row_is_refused(spark: SparkSession, tmp_path: Path, where: str) -> None:
    write(spark, tmp_path / "orders")
    with pytest.raises(ConfigurationError) as caught:
        read(spark, tmp_path, path=str(tmp_path / "orders"), where=where)
    (problem,) = caught.value.problems
    assert (problem.path, NO_VALUE_OF_A_ROW in problem.message) == ("source.where", True)


@pytest.mark.parametrize(
    ("where", "repeatable"),
    [
        ("at < date'today'", False),
        ("at < 'tomorrow'", False),
        ("at IN ('now', at)", False),
        ("cast('now' AS TIMESTAMP) > at", False),
        ("reflect('java.util.UUID', 'randomUUID') > ''", False),
        ("_metadata.file_name > ''", False),
        ("current_user() <> id", False),
        ("id <> 'now' AND user = 'me' AND current_date > '' AND at > 'epoch'", True),
    ],
)
def test_a_condition_that_changes_by_itself_is_allowed_and_not_taken_for_pinned(
    spark: SparkSession, tmp_path: Path, where: str, repeatable: bool
) -> None:
    write(spark, tmp_path / "orders")
    source = SourceSection(path=str(tmp_path / "orders"), where=where)
    opened = open_source(spark, source, tables_of(spark, tmp_path).attach_source)
    assert opened.repeatable is repeatable
    assert (opened.version is None) is not repeatable


def test_where_the_plan_tells_nothing_types_tell_what_is_a_time(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = spark.sql(ORDERS)
    monkeypatch.setattr(changing_values, "_told_by_plan", lambda *_: None)  # as on Spark Connect
    changing = ["at > 'now'", "coalesce(at, 'today')", "to_timestamp('now')", "'now'::date", "id = if(true, 'now', at)"]
    staying = ["id = 'now'", "upper('today')", "coalesce(id, 'now')", "'now'", "id IN ('now', 'x')", "at > 'epoch'"]
    assert [sql for sql in [*changing, *staying] if changes_by_itself(rows, sql)] == changing


def test_a_name_in_backticks_is_found_in_the_warehouse(spark: SparkSession, tmp_path: Path) -> None:
    write(spark, tmp_path / "shop-x" / "my-table")
    write(spark, tmp_path / "shop.y.db" / "a`b c")
    assert read(spark, tmp_path, table="`shop-x`.`my-table`") == ["1"]
    assert read(spark, tmp_path, table="`shop.y`.`a``b c`") == ["1"]
    query = "SELECT `my-table`.id FROM `shop-x`.`my-table` JOIN (SELECT x.id FROM `shop.y`.`a``b c` x) USING (id)"
    assert read(spark, tmp_path, query=query) == ["1"]
    with pytest.raises(ConfigurationError, match="there is no table or view"):
        read(spark, tmp_path, table="`shop-x`.`your-table`")


def test_a_path_may_have_backticks_and_quotes(spark: SparkSession, tmp_path: Path) -> None:
    folder = tmp_path / "it`s 'odd'"
    write(spark, folder)
    assert read(spark, tmp_path, path=str(folder)) == ["1"]


def test_what_a_source_is_does_not_depend_on_the_names_of_its_columns(
    spark: SparkSession, tmp_path: Path, shop: str
) -> None:
    spark.sql(f"CREATE DATABASE {shop} LOCATION '{tmp_path / 'session'}'")
    spark.sql(
        f"CREATE TABLE {shop}.odd (id STRING, Provider STRING DEFAULT 'parquet', Type STRING DEFAULT 'VIEW', "
        "Location STRING DEFAULT '/none') USING delta COMMENT 'a\nType: VIEW\nLocation: /none' "
        "TBLPROPERTIES ('delta.feature.allowColumnDefaults' = 'supported')"
    )
    spark.sql(f"CREATE TABLE {shop}.plain (id STRING, Provider STRING) USING parquet")
    spark.sql(f"CREATE VIEW {shop}.seen AS SELECT * FROM {shop}.odd")
    spark.sql(f"CREATE OR REPLACE TEMPORARY VIEW seen_{shop} AS SELECT * FROM {shop}.odd")
    attach = tables_of(spark, tmp_path).attach_source
    kinds = {
        name: open_source(spark, SourceSection(table=name), attach)
        for name in (f"{shop}.odd", f"`{shop}`.`odd`", f"{shop}.plain", f"{shop}.seen", f"seen_{shop}")
    }
    assert [opened.version for opened in kinds.values()] == [0, 0, None, None, None]
    assert [opened.description for opened in kinds.values()] == [
        f"{shop}.odd (version 0)",
        f"`{shop}`.`odd` (version 0)",
        f"{shop}.plain (not Delta)",
        f"{shop}.seen (view)",
        f"seen_{shop} (view)",
    ]
    place = str((tmp_path / "session" / "odd").resolve())
    assert find_entry(spark, shop, "odd") == (place, False)
    assert catalog_entry._facts_in_words(spark, shop, "odd") == (place, False)
    assert (find_entry(spark, shop, "seen"), find_entry(spark, shop, "none")) == (None, None)


@pytest.mark.parametrize("where", ["amount", "upper(id)", "amount AND id > ''"])
def test_what_is_no_condition_is_refused(spark: SparkSession, tmp_path: Path, where: str) -> None:
    write(spark, tmp_path / "orders")
    with pytest.raises(ConfigurationError, match="DATATYPE_MISMATCH"):
        read(spark, tmp_path, path=str(tmp_path / "orders"), where=where)


@pytest.mark.usefixtures("spark")
def test_a_cluster_without_a_lasting_catalog_keeps_its_tables_in_the_default_warehouse(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    monkeypatch.delenv(runtime.WAREHOUSE_VARIABLE, raising=False)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    assert open_session(None).warehouse == DEFAULT_WAREHOUSE
    assert open_session(tmp_path).warehouse == tmp_path
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.0")
    assert open_session(None).warehouse is None


def test_a_cluster_with_a_catalog_of_its_own_keeps_its_tables_there(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION", raising=False)
    monkeypatch.delenv(runtime.WAREHOUSE_VARIABLE, raising=False)
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1")
    spark.conf.set("spark.sql.catalog.unity", "io.unitycatalog.spark.UCSingleCatalog")
    try:
        assert open_session(None).warehouse is None
    finally:
        spark.conf.unset("spark.sql.catalog.unity")
