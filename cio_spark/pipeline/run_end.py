"""Ends a run that has closed its books: writes its end into the tables and the log, and checks the alert rules."""

from __future__ import annotations

from collections.abc import Sequence

from cio_spark import results, runtime
from cio_spark.coverage import Coverage
from cio_spark.errors import ExitStatus
from cio_spark.model import Books, DeliveryCounts, DeliveryPlan, RunKind, StateCounts, SyncResult
from cio_spark.monitoring.check import check_after_run
from cio_spark.pipeline.next_step import decide_next_step
from cio_spark.pipeline.phases import explain_spark_failures
from cio_spark.pipeline.run_context import RunContext, SourcePin
from cio_spark.pipeline.scope import covered_by_run
from cio_spark.pipeline.spark_jobs import outside_the_callers_group
from cio_spark.spark.helper_thread import run_to_the_end

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

    An interrupt does not cut it off, and who has cancelled the job group of the caller does not prevent it.

    Args:
        run: the run.
        books: all counts of the run.
        exit_status, message: result of `decide_exit_status`.
        plan: plan of the delivery; None if nothing was sent.
        ledger_version: version of `record_status` on which the run was planned; None for a replay.
    """
    delivery_seconds = run.phases.seconds.get("deliver", 0.0)
    with explain_spark_failures(run.config), outside_the_callers_group(run.tables.spark):
        try:
            _write_end_with_books(run, books, exit_status, message, delivery_seconds, ledger_version)
            check_alerts(run)
        finally:
            if run.has_end:
                log_end(run, exit_status, message, books)
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
        next_step=decide_next_step(run.config, exit_status, books),
    )
    run.progress.finished(result)
    return result


def _write_end_with_books(
    run: RunContext,
    books: Books,
    exit_status: ExitStatus,
    message: str,
    delivery_seconds: float,
    ledger_version: int | None,
) -> None:
    well = exit_status is ExitStatus.SUCCESS
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
        run_to_the_end(run.tables.spark, lambda: write_end(run, end, settled), run.clock, "end")


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


def write_end(run: RunContext, end: results.RunEnd, settled: Sequence[str] = ()) -> None:
    """Write the end of a run, and that it has recovered other runs, into the tables.

    Args:
        run: the run.
        end: its end.
        settled: ids of the lost runs that it has recovered.
    """
    run.is_ending = True
    run.claim.history.add(results.end_run(run.tables, end, settled), end.at)
    run.has_end = True


def log_end(run: RunContext, exit_status: ExitStatus, outcome: str, books: Books | None) -> None:
    """Log the end of a run, and the counts of its last wave.

    Args:
        run: the run.
        exit_status: status that a command ends with.
        outcome: sentence about the end.
        books: all counts; None if none were made.
    """
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


def check_alerts(run: RunContext) -> None:
    """Check the alert rules after a run, if the configuration says so."""
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
