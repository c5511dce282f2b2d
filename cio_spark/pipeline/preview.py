"""Computes what a run would do, for `--dry-run`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession
from pyspark.sql import functions as F

from cio_spark import ledger, results, source
from cio_spark.config import SyncConfig
from cio_spark.delivery import engine
from cio_spark.model import Preview
from cio_spark.pipeline.changed_bytes import reasons_for_changed_bytes
from cio_spark.pipeline.checks import prepare_and_validate, start_source_checks
from cio_spark.pipeline.phases import explain_spark_failures
from cio_spark.pipeline.survey import survey
from cio_spark.pipeline.used_columns import used_columns
from cio_spark.pipeline.workspace_guard import check_address
from cio_spark.results import Tables
from cio_spark.spark.fixed_settings import settings_in_force, with_fixed_settings


@with_fixed_settings
def preview_sync(
    config: SyncConfig,
    *,
    spark: SparkSession,
    warehouse: Path | None = None,
    limit: int | None = None,
    retry_held: bool = False,
    same_workspace: bool = False,
    samples: int = 3,
) -> Preview:
    """Compute what `run_sync` would do, without sending or writing anything.

    The arguments are those of `run_sync`; `samples` is the largest number of payloads to return.

    Raises:
        CioSparkError: the run could not start.
    """
    tables = Tables(spark, config.tables, warehouse)
    slots = engine.count_slots(spark, config.delivery.engine)
    with explain_spark_failures(config):
        newest = results.newest_run(tables, config.sync.name)
        if newest is not None and not same_workspace and tables.exists("record_status"):
            check_address(config, tables, newest.configuration)
        snapshot = source.open_source(spark, config.source, tables.attach_source)
        if limit is not None:
            snapshot = replace(snapshot, rows=snapshot.rows.limit(limit))
        records = prepare_and_validate(config, snapshot.rows)
        if not snapshot.repeatable or limit is not None:  # a run would stage them
            used_columns(config, snapshot.rows)
        known = tables.exists("record_status")
        version = tables.version("record_status") if known else None
        work = survey(
            config,
            tables,
            records,
            start_source_checks(config, snapshot.rows, records),
            None if version is None else tables.read("record_status", version),
            slots=slots,
            retry_held=retry_held,
            count_everything=True,
        )
        pending = work.records.where(F.col("state").isin("new", "changed", "again"))
        payloads = tuple(row["payload"] for row in pending.select("payload").limit(samples).collect())
        settings = settings_in_force(spark)
        notes = () if newest is None else reasons_for_changed_bytes(config, newest.session_settings, settings)
        reasons = ledger.count_reasons(work.records)
        return Preview(work.counts, work.plan, reasons, payloads, snapshot.description, notes)
