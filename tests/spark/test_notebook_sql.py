"""Tests that the SQL and the analyses of the prototype notebook work on our `batch_operations`."""

from __future__ import annotations

import pytest
from pyspark.sql import functions as F
from sync_bench import Bench, order_rows

CREATE = """
CREATE TABLE IF NOT EXISTS {table} (
    job_id STRING, batch_id STRING, operation_type STRING, status STRING, total_records INT, processed_records INT,
    failed_records INT, processing_time_seconds DOUBLE, throughput_rps DOUBLE, error_rate_percent DOUBLE,
    started_at TIMESTAMP, completed_at TIMESTAMP, metadata MAP<STRING, STRING>
) USING DELTA
"""
INSERT = """
INSERT INTO {table}
SELECT * FROM VALUES
    ('job_001', 'batch_001', 'event_processing', 'completed', 1000, 995, 5, 45.2, 22.0, 0.5,
     current_timestamp() - INTERVAL 2 HOURS, current_timestamp() - INTERVAL 2 HOURS + INTERVAL 45 SECONDS,
     map('worker', 'worker_1')),
    ('job_003', 'batch_004', 'suppression_sync', 'failed', 200, 150, 50, 30.0, 5.0, 25.0,
     current_timestamp() - INTERVAL 30 MINUTES, current_timestamp() - INTERVAL 30 MINUTES + INTERVAL 30 SECONDS,
     map('worker', 'worker_3'))
WHERE NOT EXISTS (SELECT 1 FROM {table} WHERE job_id = 'job_001')
"""


def test_create_positional_insert_and_both_analyses_work(orders: Bench) -> None:
    orders.write_sql(order_rows(30))
    result = orders.run(tables={"database": "notebook"})
    table = "notebook.batch_operations"
    orders.spark.sql(CREATE.format(table=table))
    orders.spark.sql(INSERT.format(table=table))
    orders.spark.sql(INSERT.format(table=table))  # WHERE NOT EXISTS prevents a second insert
    batches = orders.spark.table(table)
    summary = {
        (row["operation_type"], row["status"]): row
        for row in batches.groupBy("operation_type", "status")
        .agg(
            F.count("*").alias("batch_count"),
            F.avg("throughput_rps").alias("avg_throughput"),
            F.avg("error_rate_percent").alias("avg_error_rate"),
            F.sum("total_records").alias("total_records"),
        )
        .collect()
    }
    assert summary["suppression_sync", "failed"]["avg_error_rate"] == 25.0
    completed = summary["event_processing", "completed"]
    assert completed["total_records"] == 1000 + 30
    assert completed["batch_count"] == 1 + result.books.delivery.requests
    recent = (
        batches.where(F.col("started_at") >= F.current_timestamp() - F.expr("INTERVAL 24 HOURS"))
        .groupBy(F.hour("started_at").alias("hour"))
        .agg(
            F.count("*").alias("batches"),
            F.sum("processed_records").alias("records"),
            F.avg("throughput_rps").alias("throughput"),
        )
        .collect()
    )
    assert sum(row["records"] for row in recent) == 995 + 150 + 30


def test_a_batch_row_says_what_happened_to_its_records(orders: Bench) -> None:
    orders.write_sql(order_rows(30))
    result = orders.run(batch={"max_batch_size": 30, "parallel_workers": 1})
    rows = orders.tables.read("batch_operations").where(F.col("job_id") == result.run_id).collect()
    assert sum(row["total_records"] for row in rows) == 30
    for row in rows:
        assert row["batch_id"].startswith(f"event_processing-{result.run_id}-w0-p")
        assert row["status"] == "completed"
        assert row["processed_records"] == row["total_records"]
        assert row["error_rate_percent"] == 0.0
        seconds = (row["completed_at"] - row["started_at"]).total_seconds()
        assert row["processing_time_seconds"] == pytest.approx(seconds)
        assert row["throughput_rps"] == pytest.approx(row["processed_records"] / seconds)
        assert row["metadata"]["sync"] == orders.name
        assert {"wave", "partition", "lane", "worker", "priority", "strategy", "attempts", "bytes"} <= set(
            row["metadata"]
        )
