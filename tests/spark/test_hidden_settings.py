"""Tests a session that shows only the few settings that serverless compute shows, with tables in a catalog."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pyspark.sql import SparkSession
from sync_bench import KEY, Bench, order_rows

from cio_spark.config import ApiKey
from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult
from cio_spark.pipeline import run_sync
from cio_spark.spark.conf import read_setting
from cio_spark.spark.session import open_session

OF_SERVERLESS = {
    "spark.databricks.execution.timeout",
    "spark.sql.ansi.enabled",
    "spark.sql.files.maxPartitionBytes",
    "spark.sql.legacy.timeParserPolicy",
    "spark.sql.session.timeZone",
    "spark.sql.shuffle.partitions",
}
"""The settings that Databricks documents for serverless compute."""


@pytest.fixture
def asked(spark: SparkSession, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Hide all other settings, and return the names of those that were asked for in vain."""
    kind = type(spark.conf)
    names: list[str] = []

    def guarded(method: str) -> Any:
        own = getattr(kind, method)

        def call(conf: Any, name: str, *values: Any) -> Any:
            # pyspark's own client may read what it needs
            by_pyspark = sys._getframe(1).f_globals["__name__"].startswith("pyspark.")
            if name not in OF_SERVERLESS and not by_pyspark:
                names.append(name)
                raise RuntimeError(f"[CONFIG_NOT_AVAILABLE] Configuration {name} is not available.")
            return own(conf, name, *values)

        return call

    for method in ("get", "set", "unset"):
        monkeypatch.setattr(kind, method, guarded(method))
    return names


def run(orders: Bench, *, full: bool = False) -> SyncResult:
    config = orders.config(tables={"database": "hidden_settings"})
    return run_sync(config, spark=orders.spark, api_key=ApiKey(KEY), full=full)


def test_a_run_needs_no_other_setting(orders: Bench, asked: list[str]) -> None:
    orders.write_sql(order_rows(20))
    first = run(orders)
    orders.write_sql(order_rows(21))
    second = run(orders)
    third = run(orders, full=True)

    assert [result.exit_status for result in (first, second, third)] == [ExitStatus.SUCCESS] * 3
    assert all(result.books.balanced for result in (first, second, third))
    assert [result.books.delivery.accepted for result in (first, second, third)] == [20, 1, 0]
    assert orders.api.received.duplicates() == {}
    assert "spark.sql.extensions" not in asked
    assert asked


def test_a_command_on_databricks_takes_the_session_as_it_is(
    spark: SparkSession, asked: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "client.4.0")
    monkeypatch.delenv("CIO_SPARK_WAREHOUSE", raising=False)

    opened = open_session(None)

    assert (opened.spark is spark, opened.warehouse) == (True, None)
    assert "spark.sql.extensions" in asked
    assert read_setting(spark, "spark.sql.extensions") is None
