"""Tests that `process_large_dataset_with_spark` really sends a DataFrame, and has the notebook's result keys."""

from __future__ import annotations

import math
from typing import Any

import pytest
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from structlog.testing import capture_logs
from sync_bench import KEY

from cio_spark import BatchConfiguration, process_large_dataset_with_spark
from cio_spark.errors import ConfigurationError, ExitStatus
from cio_spark.standin import Fault, StandIn

KEYS = {
    "operation_type",
    "total_records",
    "successful_records",
    "failed_records",
    "total_batches",
    "total_processing_time_seconds",
    "avg_processing_time_ms",
    "throughput_rps",
    "error_rate_percent",
    "partitions_used",
    "batch_statistics",
}
CONFIG = BatchConfiguration(max_batch_size=1000, parallel_workers=2, rate_limit_rps=200, retry_backoff_seconds=0.1)


def notebook_frame(spark: SparkSession, rows: int) -> DataFrame:
    """Return the notebook's synthetic dataset; map values are text, because a map has values of one type."""
    return spark.range(rows).select(
        F.col("id").alias("user_id"),
        F.concat(F.lit("user_"), F.col("id")).alias("user_identifier"),
        F.when(F.col("id") % 3 == 0, "Page Viewed")
        .when(F.col("id") % 3 == 1, "Product Viewed")
        .otherwise("Event Tracked")
        .alias("event_name"),
        F.current_timestamp().alias("event_timestamp"),
        F.create_map(
            F.lit("batch_index"), F.col("id").cast("string"), F.lit("category"), (F.col("id") % 5).cast("string")
        ).alias("properties"),
    )


@pytest.fixture
def process(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the function under test, which needs only its notebook arguments.

    Key and address come from the environment.
    """
    monkeypatch.setenv("CUSTOMERIO_API_KEY", KEY)
    monkeypatch.setenv("CUSTOMERIO_BASE_URL", api.url)

    def call(df: DataFrame, config: BatchConfiguration = CONFIG, name: str = "bulk_processing", **more: Any) -> Any:
        return process_large_dataset_with_spark(df, config, name, tables={"database": "tests"}, **more)

    return call


def test_the_notebooks_dataset_arrives_whole(spark: SparkSession, api: StandIn, process: Any) -> None:
    with capture_logs() as logs:
        results = process(notebook_frame(spark, 10_000), name="spark_bulk_processing")

    assert set(results) >= KEYS
    assert results["operation_type"] == "spark_bulk_processing"
    assert (results["total_records"], results["successful_records"], results["failed_records"]) == (10_000, 10_000, 0)
    assert (results["error_rate_percent"], results["exit_status"]) == (0.0, ExitStatus.SUCCESS)
    assert api.received.count() == 10_000
    assert len(set(api.received.message_ids())) == 10_000
    (message,) = api.received.by_person("7")
    assert (message["event"], message["payload"]["properties"]) == (
        "Product Viewed",
        {"batch_index": "7", "category": "2"},
    )
    statistics = results["batch_statistics"]
    assert len(statistics) == results["total_batches"] == len(api.received.requests()) - 1  # the probe is no batch
    assert sum(batch["batch_size"] for batch in statistics) == 10_000
    assert sum(batch["successful_records"] for batch in statistics) == 10_000
    assert max(batch["batch_size"] for batch in statistics) <= 1000
    assert set(statistics[0]) == {"batch_id", "batch_size", "successful_records", "avg_processing_time_ms"}
    assert statistics[0]["batch_id"].startswith("spark_bulk_processing-")
    assert results["partitions_used"] >= 1
    assert results["avg_processing_time_ms"] > 0
    assert math.isclose(results["throughput_rps"], 10_000 / results["total_processing_time_seconds"])

    told = [entry for entry in logs if entry["event"].startswith("dataset_")]
    assert [entry["event"] for entry in told] == ["dataset_started", "dataset_planned", "dataset_finished"]
    assert {entry["operation_type"] for entry in told} == {"spark_bulk_processing"}
    _, planned, finished = told
    assert (planned["records"], planned["partitions"]) == (10_000, results["partitions_used"])
    assert planned["expected_batches"] >= 10
    for name in ("run_id", "total_records", "failed_records", "total_batches", "partitions_used"):
        assert finished[name] == results[name]
    assert finished["throughput_rps"] == pytest.approx(results["throughput_rps"], abs=0.001)
    assert (finished["error_rate_percent"], finished["exit_status"], finished["log_level"]) == (0.0, 0, "info")
    assert not [word for word in ("user_1", "Product Viewed", KEY) if word in str(told)]


@pytest.mark.slow
def test_no_rows_give_zeros(spark: SparkSession, api: StandIn, process: Any) -> None:
    results = process(notebook_frame(spark, 0))
    numbers = {key: results[key] for key in KEYS - {"operation_type", "total_processing_time_seconds"}}
    assert numbers.pop("batch_statistics") == []
    assert set(numbers.values()) == {0}
    assert api.received.count() == 0


@pytest.mark.slow
def test_every_row_is_counted_when_some_fail(spark: SparkSession, api: StandIn, process: Any) -> None:
    rows = notebook_frame(spark, 100).withColumn("event_name", F.expr("IF(user_id < 10, NULL, event_name)"))
    api.script(Fault(status=503, times=1, path="/batch", after=1))  # the first request is the probe
    config = CONFIG.model_copy(update={"max_batch_size": 30, "retry_attempts": 0, "parallel_workers": 1})
    with capture_logs() as logs:
        results = process(rows, config)
    (finished,) = [entry for entry in logs if entry["event"] == "dataset_finished"]
    assert (finished["log_level"], finished["exit_status"]) == ("error", results["exit_status"])
    assert finished["error_rate_percent"] == results["error_rate_percent"]
    assert results["total_records"] == 100 == results["successful_records"] + results["failed_records"]
    assert results["successful_records"] == api.received.count() < 90
    assert results["failed_records"] > 10
    assert results["error_rate_percent"] == results["failed_records"]
    assert results["exit_status"] == ExitStatus.ERROR_THRESHOLD_EXCEEDED


@pytest.mark.slow
def test_rows_without_identity_go_with_every_call_and_rows_with_one_go_once(
    spark: SparkSession, api: StandIn, process: Any
) -> None:
    rows = spark.sql("SELECT concat('o', id) AS order_id, 'p' AS user_id, 'Bought' AS event FROM range(5)")
    everything = {"call": "track", "user_id": "user_id", "event": "event", "properties": {"include": "*"}}
    for payload in (None, everything):
        assert process(rows, name="anonymous_rows", payload=payload)["successful_records"] == 5
    assert (api.received.count(), api.received.duplicates()) == (10, {})
    properties = [set(message["payload"]["properties"]) for message in api.received.all()]
    assert properties == [{"order_id"}] * 5 + [{"order_id", "user_id", "event"}] * 5
    api.clear()
    first, second = (process(rows, name="named_rows", payload={"record_id": "order_id"}) for _ in range(2))
    assert (first["successful_records"], first["skipped_records"]) == (5, 0)
    assert (second["successful_records"], second["skipped_records"], second["failed_records"]) == (0, 5, 0)
    assert api.received.count() == 5


def test_what_is_wrong_with_the_arguments_is_said_before_anything_is_sent(
    spark: SparkSession, api: StandIn, process: Any
) -> None:
    with pytest.raises(ConfigurationError, match="payload="):
        process(spark.range(3))
    with pytest.raises(ConfigurationError, match=r"sync\.name"):
        process(notebook_frame(spark, 3), name="no / name")
    assert api.received.requests() == []
    assert [view.name for view in spark.catalog.listTables() if view.isTemporary] == []
