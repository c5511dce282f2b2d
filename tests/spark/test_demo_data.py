"""The demo's real purchases arrive, counted to the last one."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from pyspark.sql import functions as F

import cio_spark.demo
from cio_spark.config import ApiKey, load_config
from cio_spark.demo.data import HOUSEHOLDS, HOUSEHOLDS_WITH_DEMOGRAPHICS, PURCHASES, prepare_demo_tables
from cio_spark.errors import ExitStatus
from cio_spark.pipeline import run_sync
from cio_spark.results import Tables
from cio_spark.standin import StandIn

SYNC = Path(cio_spark.demo.__file__).with_name("purchases.yml")


@pytest.mark.timeout(900)
def test_every_one_of_the_untouched_purchases_is_accepted_once_and_none_is_sent_again(
    spark: SparkSession, warehouse: Path
) -> None:
    tables = prepare_demo_tables(spark, warehouse)
    households = spark.read.format("delta").load(str(tables.folder / "households"))
    assert households.count() == HOUSEHOLDS
    assert households.where("age IS NOT NULL").count() == HOUSEHOLDS_WITH_DEMOGRAPHICS
    with StandIn() as api:
        config = load_config(SYNC, overrides=[f"api.base_url={api.url}", "tables.database=demo"])
        first = run_sync(config, spark=spark, api_key=ApiKey(api.api_key), warehouse=warehouse)
        assert first.exit_status is ExitStatus.SUCCESS
        assert first.books.survey.source_rows == first.books.delivery.accepted == PURCHASES
        assert api.received.count() == PURCHASES
        assert api.received.duplicates() == {}
        assert (api.received.over_limit().items, api.received.over_limit().bodies) == (0, 0)
        assert api.traffic.max_in_flight <= config.batch.parallel_workers
        statuses = Tables(spark, config.tables, warehouse).read("record_status")
        assert statuses.where(F.col("run_id") == first.run_id).select("message_id").distinct().count() == PURCHASES
        second = run_sync(config, spark=spark, api_key=ApiKey(api.api_key), warehouse=warehouse)
        assert second.books.survey.unchanged == PURCHASES
        assert second.books.balanced
        assert api.received.count() == PURCHASES
