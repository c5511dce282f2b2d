"""Commands that only read change nothing: no table before a first run, no column of an older package's tables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sync_bench import ORDERS, Bench, order_rows
from tables_by_hand import ended, started
from typer.testing import CliRunner

from cio_spark.cli import app
from cio_spark.clock import SystemClock
from cio_spark.config.sections import TablesSection
from cio_spark.results import Tables, append_events, last_runs, read_history, set_up_tables


def run(command: str, *files: Path, warehouse: Path) -> tuple[int, str]:
    arguments = [command, *map(str, files), "--warehouse", str(warehouse)]
    environment = {"COLUMNS": "240", "CIO_SPARK_WEBHOOK_URL": None, "CUSTOMERIO_BASE_URL": None}
    result = CliRunner().invoke(app, arguments, env=environment)
    return result.exit_code, result.output


@pytest.mark.parametrize("command", ["status", "analyze", "monitor", "report"])
def test_before_a_first_run_a_command_that_reads_makes_no_table(command: str, orders: Bench, tmp_path: Path) -> None:
    conf = orders.write_config(tmp_path / "orders.yml", tables={"database": f"unborn_{command}"})
    status, said = run(command, conf, warehouse=orders.warehouse)
    assert status == 0, said
    assert ("no_data" if command == "monitor" else "no runs yet") in said
    assert not (orders.warehouse / f"unborn_{command}").exists()
    assert not list(tmp_path.glob("*.html"))


def test_one_sync_that_cannot_be_monitored_does_not_hide_the_others(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    broken, well = bench(ORDERS), bench(ORDERS)
    well.write_sql(order_rows(3))
    well.run()
    broken.spark.sql("CREATE DATABASE IF NOT EXISTS half_made")
    (broken.warehouse / "half_made").mkdir(exist_ok=True)
    broken.spark.range(1).write.format("delta").save(str(broken.warehouse / "half_made" / "sync_runs"))
    files = [
        broken.write_config(tmp_path / "broken.yml", tables={"database": "half_made"}),
        well.write_config(tmp_path / "well.yml"),
    ]
    status, said = run("monitor", *files, warehouse=well.warehouse)
    assert status == 2, said
    assert f"error: {broken.name}: " in said
    assert "create it with cio-spark setup" in said
    assert f"{well.name}" in said.partition("error:")[2]
    assert "healthy" in said


def test_tables_of_an_older_package_are_read_as_they_are(spark: SparkSession, warehouse: Path) -> None:
    tables = Tables(spark, TablesSection(database="older"), warehouse)
    set_up_tables(tables)
    kinds = {"run1": "shop.orders", "run2": "shop.orders, limited to 5 rows", "run3": "dead letters"}
    rows = [started("s", run_id, 0, source=source) for run_id, source in kinds.items()]
    rows += [ended("s", run_id, 9) for run_id in kinds]
    append_events(tables, rows)
    spark.sql("ALTER TABLE older.sync_runs SET TBLPROPERTIES ('delta.columnMapping.mode' = 'name')")
    spark.sql("ALTER TABLE older.sync_runs DROP COLUMN kind")
    assert {row["run_id"]: row["kind"] for row in last_runs(tables, "s", 9)} == {
        "run1": "sync",
        "run2": "limited",
        "run3": "replay",
    }
    newest = read_history(tables, "s", SystemClock().now()).newest
    assert newest is not None
    assert newest.run_id == "run3"
    assert "kind" not in tables.read("sync_runs").columns


def test_a_run_says_what_kind_it_is(orders: Bench) -> None:
    orders.write_sql(order_rows(3))
    orders.run(limit=2)
    orders.run()
    rows = orders.tables.read("sync_run_state").where(F.col("sync") == orders.name).orderBy("run_id").collect()
    assert [row["kind"] for row in rows] == ["limited", "sync"]
