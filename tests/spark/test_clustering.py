"""Tests that tables are not clustered while they are written, and that maintenance sorts them.

Sorting keeps look-ups by sync and record cheap.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from pyspark.sql import SparkSession

from cio_spark.clock import SystemClock
from cio_spark.config import TablesSection
from cio_spark.ids import new_run_id
from cio_spark.results import Tables, set_up_tables
from cio_spark.results.clustering import end_clustering, sort_table
from cio_spark.results.sync_runs import append_events
from cio_spark.schemas import DEAD_LETTERS, RECORD_STATUS
from cio_spark.spark.conf import temporary_settings


def clustering(tables: Tables, table: str) -> list[str]:
    found: Any = tables.spark.sql(f"DESCRIBE DETAIL {tables.name(table)}").collect()[0]["clusteringColumns"]
    return list(found)


def test_maintenance_sorts_what_was_written_unclustered_and_a_look_up_reads_few_files(
    spark: SparkSession, warehouse: Path
) -> None:
    tables = Tables(spark, TablesSection(database="sorted"), warehouse)
    set_up_tables(tables)
    assert (clustering(tables, "record_status"), clustering(tables, "dead_letters")) == ([], [])
    spark.sql(
        f"INSERT INTO {tables.name('record_status')} (run_id, sync, record_id) "
        "SELECT 'r', concat('s', id % 2), concat('o', xxhash64(id)) FROM range(20000)"
    )
    with temporary_settings(spark, {"spark.databricks.delta.optimize.maxFileSize": "50000"}):
        sort_table(tables, "record_status")
    rows = tables.read("record_status")
    one = rows.where("sync = 's1' AND record_id = (SELECT concat('o', xxhash64(7L)))").count()
    known = rows.where("sync = 's1'").limit(1).collect()[0]["record_id"]
    files = len(rows.where(f"sync = 's1' AND record_id = '{known}'").inputFiles())
    assert one == 1
    assert files <= 2 < 5 < len(rows.inputFiles())


def test_tables_of_earlier_versions_are_unclustered_when_no_run_is_open(spark: SparkSession, warehouse: Path) -> None:
    tables = Tables(spark, TablesSection(database="once_clustered"), warehouse)
    tables.create_database()
    for table, columns in (("record_status", RECORD_STATUS), ("dead_letters", DEAD_LETTERS)):
        place = tables.location_clause(table)
        spark.sql(f"CREATE TABLE {tables.name(table)} ({columns}) USING DELTA CLUSTER BY (sync, record_id){place}")
    set_up_tables(tables)
    now = SystemClock().now()
    run = {"run_id": new_run_id(now, None), "sync": "s", "at": now}
    append_events(tables, [{**run, "event": "started", "claim_expires_at": now + timedelta(minutes=15)}])
    assert end_clustering(tables, now=now) == [
        "left record_status, dead_letters clustered, for a run of s is open: run maintain again when none is"
    ]
    assert clustering(tables, "record_status") == ["sync", "record_id"]
    append_events(tables, [{**run, "event": "ended"}])
    assert end_clustering(tables, now=now) == ["ended the clustering of record_status, dead_letters"]
    assert (clustering(tables, "record_status"), clustering(tables, "dead_letters")) == ([], [])
    # Delta refuses to sort a table by ZORDER that was once clustered; the table is compacted anyway
    sort_table(tables, "record_status")
    assert end_clustering(tables, now=now) == []
