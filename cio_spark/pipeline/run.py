"""Runs one sync: config → source → payload → validation → ledger → planning → delivery → results."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from cio_spark import results, source
from cio_spark.clock import Clock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.coverage import Scope
from cio_spark.delivery import check_api, engine, probe_settings
from cio_spark.logs.style import LogStyle
from cio_spark.model import DeliveryCounts, RunKind, SyncResult
from cio_spark.pipeline.books import close_books, make_books
from cio_spark.pipeline.exit_status import decide_exit_status
from cio_spark.pipeline.progress import Progress
from cio_spark.pipeline.recovery import recover_lost_runs
from cio_spark.pipeline.run_context import RunContext, SourcePin
from cio_spark.pipeline.run_end import finish_run, finish_without_work
from cio_spark.pipeline.run_failure import fail_run
from cio_spark.pipeline.scope import reason_for_all_rows
from cio_spark.pipeline.scope_survey import survey_scope
from cio_spark.pipeline.source_comparison import prepare_with_hash
from cio_spark.pipeline.used_columns import used_columns
from cio_spark.pipeline.waves import cut_waves, deliver_waves
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.spark.fixed_settings import with_fixed_settings


@with_fixed_settings
def run_sync(
    config: SyncConfig,
    *,
    spark: SparkSession,
    api_key: ApiKey,
    warehouse: Path | None = None,
    limit: int | None = None,
    retry_held: bool = False,
    full: bool = False,
    progress: Progress | None = None,
    clock: Clock | None = None,
    cancellation: Cancellation | None = None,
    take_over: bool = False,
    job_attempt: str | None = None,
    same_workspace: bool = False,
    executor_log: LogStyle = LogStyle.OFF,
) -> SyncResult:
    """Run one sync, from reading its source to closing its books.

    Args:
        config: configuration of the sync.
        spark: the session.
        api_key: API key of the workspace.
        warehouse: folder of local tables; None if the tables are in the catalog.
        limit: the most source rows to read; None for all.
        retry_held: also send records that were refused before with the same payload.
        full: compare the payloads of all rows of the source with what was sent, whatever has changed; nothing is sent
            again by it.
        progress: listener that is told the progress of the run; None for none.
        clock: source of time; None for the system's clock.
        cancellation: asks the run to stop; None if nothing does.
        take_over: take the sync over from a run that has no end, even if its claim has not expired; the user knows that
            this run is dead.
        job_attempt: `job run/task/execution count/repair count` of a Databricks task. Earlier tries of the task are
            dead; after one that ended in a way that a retry does not help, this run is refused.
        same_workspace: go on even if the address of the API differs from the last run's.
        executor_log: how the worker processes write log lines to their standard error.

    Returns:
        the result of the run, also if records failed or the run was cancelled; see its `exit_status`.

    Raises:
        CioSparkError: the run could not start (nothing was sent), or Spark failed (the next run continues).
    """
    run = RunContext(
        config,
        RunKind.SYNC if limit is None else RunKind.LIMITED,
        spark=spark,
        api_key=api_key,
        warehouse=warehouse,
        progress=progress,
        clock=clock,
        cancellation=cancellation,
        take_over=take_over,
        job_attempt=job_attempt,
        same_workspace=same_workspace,
        executor_log=executor_log,
    )
    tables = run.tables
    asked_for = reason_for_all_rows(limit, full=full, retry_held=retry_held)
    with run.starting("check"):
        snapshot = source.open_source(spark, config.source, tables.attach_source)
        records = prepare_with_hash(config, snapshot.rows)
        if not snapshot.repeatable or limit is not None:  # the rows will be staged
            used_columns(config, snapshot.rows)
        check_api(probe_settings(config, api_key))
        run.set_up_tables()
    work, delivery, staging = None, DeliveryCounts(), None
    try:
        with run.starting("claim"):
            opening = run.read_claims()
            if run.is_older_than(opening):
                snapshot = source.open_source(spark, config.source, tables.attach_source)
                records = prepare_with_hash(config, snapshot.rows)
            scope = run.choose_scope(opening, snapshot, asked_for)
            pin = _pin_of(snapshot, limit)
            if scope.choice.scope is not Scope.NONE:
                engine.check_api_from_worker(spark, probe_settings(config, api_key), config.delivery.engine)
                run.claim_sync(opening, pin)
        if scope.choice.scope is Scope.NONE:
            with run.starting("end"):
                return finish_without_work(run, opening, pin)
        staging = results.Staging(tables, run.claim.run_id)
        with run.at_work():
            recover_lost_runs(run)
            with run.phases.phase("survey"):
                began = run.clock.monotonic()
                # Pin the version after the claim, to include the last writes of the run that had the claim before
                ledger_version = tables.version("record_status")
                work = survey_scope(
                    run,
                    snapshot,
                    records,
                    ledger_version,
                    staging,
                    limit=limit,
                    retry_held=retry_held,
                    compare_payloads=asked_for is not None,
                )
                took = run.clock.monotonic() - began
                waves = cut_waves(config, work, staging, run.slots, surveyed_seconds=took)
                staging.finish()
            deliver_waves(run, work, waves)
            delivery = close_books(run, work, waves, run.claim.lost)
            staging.drop()
        books = make_books(work, delivery, run.waves_done)
        exit_status, message = decide_exit_status(config, books, run.cancellation)
        plan = work.plan if delivery.persisted else None
        return finish_run(run, books, exit_status, message, plan, ledger_version)
    except BaseException as error:
        fail_run(run, error, work, delivery, staging)
        raise


def _pin_of(snapshot: source.Snapshot, limit: int | None) -> SourcePin:
    if limit is None:
        return SourcePin(snapshot.description, snapshot.version)
    # With --limit, the version alone does not say which rows the run reads
    return SourcePin(f"{snapshot.description}, limited to {limit:,} rows", None)
