"""Ends a run: writes its end into the tables and the log, and checks the alert rules."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from cio_spark import results, runtime
from cio_spark.coverage import Coverage
from cio_spark.errors import CioSparkError, ExitStatus, SyncTakenOverError
from cio_spark.model import Books, DeliveryCounts, DeliveryPlan, RunKind, StateCounts, SyncResult
from cio_spark.monitoring.check import check_after_run
from cio_spark.pipeline.recovery_of_taken_over_runs import register_and_recover_take_over
from cio_spark.pipeline.run_context import RunContext, SourcePin
from cio_spark.pipeline.scope import covered_by_run
from cio_spark.pipeline.spark_jobs import outside_the_callers_group
from cio_spark.pipeline.survey import SurveyResult

CANCELLED = (ExitStatus.CANCELLED_SIGINT, ExitStatus.CANCELLED_SIGTERM)


def finish_run(
    run: RunContext,
    books: Books,
    exit_status: ExitStatus,
    message: str,
    plan: DeliveryPlan | None,
    ledger_version: int | None = None,
) -> SyncResult:
    """Write the end of a run that has closed its books.

    Args:
        run: the run.
        books: all counts of the run.
        exit_status, message: result of `decide_exit_status`.
        plan: plan of the delivery; None if nothing was sent.
        ledger_version: version of `record_status` on which the run was planned; None for a replay.
    """
    well = exit_status is ExitStatus.SUCCESS
    delivery_seconds = run.phases.seconds.get("deliver", 0.0)
    with run.phases.phase("end"):
        end = results.RunEnd(
            run.claim.run_id,
            run.claim.sync,
            run.clock.now(),
            "succeeded" if well else "cancelled" if exit_status in CANCELLED else "failed",
            exit_status,
            None if well else message,
            books,
            delivery_seconds,
            ledger_version,
            run.scope_choice,
            _coverage(run, books, ledger_version),
            {} if run.claim.is_claimed else run.claim.facts,
        )
        settled = run.claim.lost_ids if run.kind is not RunKind.REPLAY else []
        run.claim.history.add(results.end_run(run.tables, end, settled), end.at)
    _check_alerts(run)
    _log_end(run, exit_status, message, books)
    result = SyncResult(
        run_id=run.claim.run_id,
        sync=run.claim.sync,
        exit_status=exit_status,
        books=books,
        plan=plan,
        message=message,
        seconds=run.seconds,
        delivery_seconds=delivery_seconds,
        phases=run.phases.seconds,
        notes=run.notes,
        scope=run.scope_choice,
    )
    run.progress.finished(result)
    return result


def _coverage(run: RunContext, books: Books, ledger_version: int | None) -> Coverage | None:
    if run.scope is None or run.kind is not RunKind.SYNC or ledger_version is None:
        return None
    return covered_by_run(
        run.config, run.scope, books, began_at=run.began_at, tables=run.tables, ledger_version=ledger_version
    )


def finish_without_work(run: RunContext, opening: results.ClaimOpening, pin: SourcePin) -> SyncResult:
    """Write the only row of a run that has nothing to look at, and that has therefore claimed nothing.

    Args:
        run: the run.
        opening: the earlier runs of the sync, none of which has a valid claim.
        pin: the source that the run has pinned.
    """
    facts = run.facts_of(opening, pin) | {"owner": run.owner}
    run.claim = results.identify_run(opening, facts)
    run.log.started(run.claim)
    ledger_version = run.tables.version("record_status")
    books = Books(StateCounts(source_rows=0), DeliveryCounts())
    return finish_run(run, books, ExitStatus.SUCCESS, "nothing has changed", None, ledger_version)


def fail_run(
    run: RunContext, error: BaseException, work: SurveyResult | None, delivery: DeliveryCounts, staging: results.Staging
) -> None:
    """Write the end of a run that an exception ended (of Spark, a defect or a take-over), with the counts known so far.

    If Spark itself is gone, the end cannot be written: the next run then closes this run as lost and recovers it.
    Whoever has cancelled the job group of the caller does not prevent that the end is written.

    Args:
        run: the run.
        error: the exception that ended the run.
        work: the records that the run had to deliver; None if the survey had not finished.
        delivery: counts of the rows that the run has persisted, all 0 if they were not read back yet.
        staging: staged rows of the run; kept if the next run needs them to recover this run.
    """
    with outside_the_callers_group(run.tables.spark):
        _fail_run(run, error, work, delivery, staging)


def _fail_run(
    run: RunContext, error: BaseException, work: SurveyResult | None, delivery: DeliveryCounts, staging: results.Staging
) -> None:
    progression = run.progression
    if not progression.started:  # else the next run recovers this one, and needs the staged rows
        with contextlib.suppress(Exception):
            staging.drop()
    if progression.committed and not delivery.persisted:
        with contextlib.suppress(Exception):
            delivery = results.count_statuses(run.tables, run.claim.run_id, run.config.sync.name)
    books = None
    if work is not None:
        books = Books(work.counts, delivery, progression.not_started, progression.in_doubt)
    exit_status, said = ExitStatus.INTERNAL_ERROR, type(error).__name__
    if isinstance(error, CioSparkError):
        exit_status, said = error.exit_status, str(error)
    elif isinstance(error, KeyboardInterrupt):  # a notebook's Cancel, or Ctrl-C in a program without our signals
        exit_status, said = ExitStatus.CANCELLED_SIGINT, "cancelled; nothing is lost: the next run goes on from there"
    end = results.RunEnd(
        run.claim.run_id,
        run.claim.sync,
        run.clock.now(),
        "cancelled" if exit_status in CANCELLED else "failed",
        exit_status,
        said,
        books,
        # Set only if nothing was sent: a run whose end has no delivery time is recovered by the next run
        delivery_seconds=None if progression.started else 0.0,
        scope=run.scope_choice,
    )
    if isinstance(error, SyncTakenOverError):
        end = replace(end, status="taken_over")
        run.log.taken_over(error.wave)
        if error.wave is not None:
            with contextlib.suppress(Exception):
                register_and_recover_take_over(run.config, run.tables, run.claim, error.wave, clock=run.clock)
    with contextlib.suppress(Exception):
        run.claim.history.add(results.end_run(run.tables, end), end.at)
        _check_alerts(run)
    _log_end(run, exit_status, said, books)


def _log_end(run: RunContext, exit_status: ExitStatus, outcome: str, books: Books | None) -> None:
    # A committed wave has rows, so counts of 0 rows mean that the rows could not be counted
    run.log.counted(books.delivery if books is not None and books.delivery.persisted else None)
    run.log.ended(
        exit_status,
        outcome,
        books,
        seconds=run.seconds,
        delivery_seconds=run.phases.seconds.get("deliver", 0.0),
        phases=run.phases.seconds,
        scope=run.scope_choice,
    )


def _check_alerts(run: RunContext) -> None:
    if run.config.batch.enable_monitoring:
        with run.phases.phase("alerts"):
            check_after_run(
                run.config,
                run.tables,
                clock=run.clock,
                find_webhook=runtime.find_webhook,
                run_id=run.claim.run_id,
                history=run.claim.history,
            )
