"""Writes runs of the past into the tables of a sync, without sending anything."""

from __future__ import annotations

import shutil
from datetime import datetime
from pathlib import Path

from people import GROUPS, SYNC, People
from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger
from cio_spark.clock import SystemClock
from cio_spark.delivery.records import IDENTITY
from cio_spark.ids import new_run_id
from cio_spark.ledger.message_id import message_id
from cio_spark.pipeline.source_comparison import prepare_with_hash
from cio_spark.results.record_status import append_record_status
from cio_spark.schemas import RECORD_STATUS, struct_of
from cio_spark.spark.fixed_settings import fix_settings


def add_history(people: People, groups: range, *, files: int) -> None:
    """Append one successful run for each group of half a percent of the people, as if it had sent them again.

    The rows have the hashes that the product makes of the table as it is now, so the records of a group are unchanged
    afterwards. The events of `sync_runs` are those of the newest run under another run id: what a version of the
    product records about a run is therefore there, whatever it is.

    Args:
        people: a table whose newest run has sent everything.
        groups: numbers of the groups, each less than `GROUPS`.
        files: number of files that a run writes into `record_status`: the partitions of its delivery.
    """
    tables = people.tables
    events = tables.read("sync_runs").where(F.col("sync") == SYNC)
    template, number = events.agg(F.max("run_id"), F.max("run_number")).collect()[0]
    newest = template
    folder = people.warehouse / "bench" / f"{people.database}_history"
    _stage(people, groups, folder)
    now = SystemClock().now()
    runs: list[tuple[str, int]] = []
    for group in groups:
        newest, number = new_run_id(now, newest), number + 1
        rows = people.spark.read.parquet(str(folder)).where(F.col("group") == group).withColumn("run_id", F.lit(newest))
        columns = [F.col(field.name).cast(field.dataType) for field in struct_of(RECORD_STATUS).fields]
        append_record_status(tables, rows.select(*columns).repartition(files), run_id=newest, wave=0)
        runs.append((newest, number))
    _copy_events(people, events.where(F.col("run_id") == template), runs)
    shutil.rmtree(folder)


def _copy_events(people: People, events: DataFrame, runs: list[tuple[str, int]]) -> None:
    """Append the events of one run under other run ids: one commit, but a file for each event, as runs write them."""
    others = people.spark.createDataFrame(runs, "other_id STRING, other_number BIGINT")
    number = F.when(F.col("run_number").isNotNull(), F.col("other_number"))
    copies = events.crossJoin(others).withColumns({"run_id": F.col("other_id"), "run_number": number})
    people.spark.conf.set("spark.sql.files.maxRecordsPerFile", "1")
    try:
        people.tables.append("sync_runs", copies.select(*events.columns))
    finally:
        people.spark.conf.unset("spark.sql.files.maxRecordsPerFile")


def _stage(people: People, groups: range, folder: Path) -> None:
    """Write the statuses of all groups once, so that the table is read once and not for every run."""
    rows = people.spark.read.format("delta").load(str(people.source))
    group = F.pmod(F.xxhash64("id"), F.lit(GROUPS))
    with fix_settings(people.spark, people.config.payload.time_zone):
        prepared = prepare_with_hash(people.config, rows.where(group.between(groups[0], groups[-1])))
    records = ledger.mark_all_new(prepared)
    # Each run sends a record again that an earlier run has sent
    records = records.withColumn("accepted_message_id", message_id(SYNC))
    statuses = _statuses(ledger.add_message_id(records, SYNC), SystemClock().now())
    statuses = statuses.withColumn("group", F.pmod(F.xxhash64("record_id"), F.lit(GROUPS)))
    statuses.repartition(2, "group").write.partitionBy("group").mode("overwrite").parquet(str(folder))


def _statuses(records: DataFrame, now: datetime) -> DataFrame:
    """Return rows of `record_status` for records that were accepted; the run id is added later."""
    columns = {
        "sync": F.lit(SYNC),
        "operation_type": F.lit("people_update"),
        "status": F.lit("accepted"),
        "http_status": F.lit(200),
        "attempts": F.lit(1),
        "attempted_at": F.lit(now),
        **{name: F.col(name) for name in IDENTITY},
    }
    return records.select(
        *[
            columns.get(field.name, F.lit(None)).cast(field.dataType).alias(field.name)
            for field in struct_of(RECORD_STATUS).fields
        ]
    )
