"""One run: config → source → payload → validation → ledger → planning → delivery → results."""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import SparkSession

from cio_spark import results, source
from cio_spark.clock import Clock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.delivery import check_api, delivery_settings
from cio_spark.logs.style import LogStyle
from cio_spark.model import LIMITED, Books, DeliveryCounts, SyncResult
from cio_spark.pipeline.books import close_books, end_in_failure
from cio_spark.pipeline.checks import prepare_and_validate, start_source_checks
from cio_spark.pipeline.exit_status import decide_exit_status
from cio_spark.pipeline.progress import Progress
from cio_spark.pipeline.recovery import settle_lost_run
from cio_spark.pipeline.run_context import RunContext, SourcePin
from cio_spark.pipeline.survey import survey
from cio_spark.pipeline.take_over import settle_taken_over
from cio_spark.pipeline.used_columns import used_columns
from cio_spark.pipeline.waves import cut_waves
from cio_spark.planning import survey_seconds
from cio_spark.runtime import owner_is_dead
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
    progress: Progress | None = None,
    clock: Clock | None = None,
    cancellation: Cancellation | None = None,
    take_over: bool = False,
    job_attempt: str | None = None,
    same_workspace: bool = False,
    executor_log: LogStyle = LogStyle.OFF,
) -> SyncResult:
    """Runs one sync from its source to its books.

    Args:
        config: the sync.
        spark: the session.
        api_key: the workspace's key.
        warehouse: folder of local tables; None: the catalog knows them.
        limit: only so many source rows.
        retry_held: also try records that were refused before with the same payload.
        progress: listener.
        clock: time.
        cancellation: whoever may ask the run to stop.
        take_over: take the sync over from a run that has no end, whatever its claim says: it is known to be dead.
        job_attempt: `job run/task/execution count` of a Databricks task, whose earlier tries are known to be dead.
        same_workspace: go on although the API's address is another one than the last run's.
        executor_log: how the worker processes write log lines, on their standard error.

    Returns:
        what became of it, also when records failed or the run was cancelled; its `exit_status` says how well it went.

    Raises:
        CioSparkError: the run could not start (nothing was sent), or Spark failed (the next run goes on).
    """
    run = RunContext(
        config,
        spark,
        warehouse,
        progress,
        clock,
        cancellation,
        takes_over=take_over,
        job_attempt=job_attempt,
        same_workspace=same_workspace,
        executor_log=executor_log,
    )
    tables, phases, progression = run.tables, run.phases, run.progression
    with run.starting("check"):
        snapshot = source.open_source(spark, config.source, tables.attach_source)
        records = prepare_and_validate(config, snapshot.rows)
        if not snapshot.repeatable or limit is not None:
            used_columns(config, snapshot.rows)
        # Where the rows are pinned; what has to be written first is checks about then
        checks = start_source_checks(config, snapshot.rows, records) if snapshot.repeatable and limit is None else None
        check_api(delivery_settings(config, api_key))
        results.set_up_tables(tables, clock=run.clock, owner_is_dead=owner_is_dead)

    def pin() -> SourcePin:
        nonlocal snapshot, records, checks
        snapshot = source.open_source(spark, config.source, tables.attach_source)
        records, checks = prepare_and_validate(config, snapshot.rows), None
        return _pinned(snapshot, limit)

    run.claim_sync(pin, _pinned(snapshot, limit))
    claim = run.claim
    staging = results.Staging(tables, claim.run_id)
    work, delivery = None, DeliveryCounts()
    try:
        with run.at_work():
            if claim.lost:
                with phases.phase("settle"):
                    for lost in claim.lost:
                        settle = settle_lost_run if lost.taken_over_run is None else settle_taken_over
                        settle(config, tables, lost)
                        run.log.settled(lost.run_id)
            with phases.phase("survey"):
                began = run.clock.monotonic()
                # Only now: what a run that held the sync until a moment ago has written must be seen
                ledger_version = tables.version("record_status")
                earlier = tables.read("record_status", ledger_version)
                pinned = snapshot.staged(lambda rows: staging.stage(rows, used_columns(config, rows)), limit)
                if pinned is not snapshot:
                    snapshot, records = pinned, prepare_and_validate(config, pinned.rows)
                checks = checks or start_source_checks(config, snapshot.rows, records)
                run.lease.expect(survey_seconds(checks.rows.result(), run.slots.count))
                work = survey(config, tables, records, checks, earlier, slots=run.slots, retry_held=retry_held)
                took = run.clock.monotonic() - began
                waves = cut_waves(config, work, staging, run.slots, surveyed_seconds=took)
            run.deliver(waves, work.counts, work.plan, api_key)
            delivery = close_books(run, work, waves, claim.lost)
            staging.drop()
    except BaseException as error:
        end_in_failure(run, error, work, delivery, staging)
        raise
    books = Books(work.counts, delivery, progression.not_started, progression.in_doubt, progression.evaluated_again)
    exit_status, message = decide_exit_status(config, books, run.cancellation)
    return run.end(books, exit_status, message, work.plan if delivery.persisted else None, ledger_version)


def _pinned(snapshot: source.Snapshot, limit: int | None) -> SourcePin:
    if limit is None:
        return SourcePin(snapshot.description, snapshot.version)
    # Without the rows of a --limit, the version alone says nothing
    return SourcePin(f"{snapshot.description}{LIMITED} {limit:,} rows", None)
