"""Computes what a run would do, for `--dry-run`."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark import ledger, results, source
from cio_spark.clock import SystemClock
from cio_spark.config import SyncConfig
from cio_spark.coverage import Scope
from cio_spark.delivery import engine
from cio_spark.model import Preview
from cio_spark.pipeline.changed_bytes import reasons_for_changed_bytes
from cio_spark.pipeline.checks import prepare_and_validate, start_source_checks
from cio_spark.pipeline.keys import Keys, no_keys
from cio_spark.pipeline.known_records import read_known_records
from cio_spark.pipeline.phases import explain_spark_failures
from cio_spark.pipeline.scope import RunScope, choose_scope, fall_back, reason_for_all_rows
from cio_spark.pipeline.scope_rows import UnreadableChangesError, find_keys, record_id_of
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
    full: bool = False,
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
    now = SystemClock().now()
    with explain_spark_failures(config):
        exists = tables.exists("record_status") and tables.exists("sync_runs")
        history = results.read_history(tables, config.sync.name, now) if exists else results.RunHistory([])
        newest = history.newest
        if newest is not None and not same_workspace:
            check_address(config, tables, newest.configuration)
        snapshot = source.open_source(spark, config.source, tables.attach_source)
        if limit is not None:
            snapshot = replace(snapshot, rows=snapshot.rows.limit(limit))
        records = prepare_and_validate(config, snapshot.rows)
        if not snapshot.repeatable or limit is not None:  # a run would stage them
            used_columns(config, snapshot.rows)
        asked_for = reason_for_all_rows(limit, full=full, retry_held=retry_held)
        scope = choose_scope(config, tables, snapshot, history.runs, asked_for=asked_for, now=now)
        version = tables.version("record_status") if exists else None
        earlier = None if version is None else tables.read("record_status", version)
        scope, keys = _keys_of(config, tables, snapshot, scope, earlier)
        if keys is not None:
            snapshot = replace(snapshot, rows=keys.keep(snapshot.rows, record_id_of(config, snapshot.rows)))
            records = prepare_and_validate(config, snapshot.rows)
        known = (
            None if earlier is None else read_known_records(config, tables, earlier, retry_held=retry_held, keys=keys)
        )
        checks = start_source_checks(config, snapshot.rows, records)
        work = survey(config, records, checks, known, slots=slots, count_everything=True)
        pending = work.records.where(F.col("state").isin(*ledger.STATES_TO_SEND))
        payloads = tuple(row["payload"] for row in pending.select("payload").limit(samples).collect())
        settings = settings_in_force(spark)
        notes = () if newest is None else reasons_for_changed_bytes(config, newest.session_settings, settings)
        reasons = ledger.count_reasons(work.records)
        return Preview(work.counts, work.plan, reasons, payloads, snapshot.description, notes, scope.choice)


def _keys_of(
    config: SyncConfig, tables: Tables, snapshot: source.Snapshot, scope: RunScope, earlier: DataFrame | None
) -> tuple[RunScope, Keys | None]:
    """Return the keys that a run would look at, None for all, and its scope, which depends on the change feed."""
    if scope.choice.scope is Scope.FULL or earlier is None:
        return scope, None
    if scope.choice.scope is Scope.NONE:
        return scope, no_keys(tables.spark)
    try:
        return scope, find_keys(config, tables, snapshot, scope, earlier, None)
    except UnreadableChangesError as error:
        return fall_back(config, scope, str(error)), None
