"""Ends a run that an exception has ended, unless it may still be sending: then its claim has to stand."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from cio_spark import results
from cio_spark.errors import CioSparkError, ExitStatus, SyncTakenOverError
from cio_spark.model import Books, DeliveryCounts
from cio_spark.pipeline.recovery_of_taken_over_runs import register_and_recover_take_over
from cio_spark.pipeline.run_context import RunContext
from cio_spark.pipeline.run_end import CANCELLED, check_alerts, log_end, write_end
from cio_spark.pipeline.spark_jobs import outside_the_callers_group
from cio_spark.pipeline.survey import SurveyResult
from cio_spark.spark.helper_thread import run_to_the_end

_STILL_SENDS = (
    "the wave could not be stopped, so the claim of this run stands until the wave may send no more: the next run "
    "waits for that, or is refused, and recovers this one"
)


def fail_run(
    run: RunContext,
    error: BaseException,
    work: SurveyResult | None,
    delivery: DeliveryCounts,
    staging: results.Staging | None,
) -> None:
    """Write the end of a run that an exception ended (of Spark, a defect, an interrupt or a take-over).

    Nothing is written for a run that has claimed nothing or has its end. If Spark itself is gone, the end cannot be
    written: the next run then closes this run as lost and recovers it. So it does if the wave could not be stopped.
    Neither a further interrupt nor a cancelled job group of the caller prevents that the end is written.

    Args:
        run: the run.
        error: the exception that ended the run.
        work: the records that the run had to deliver; None if the survey had not finished.
        delivery: counts of the rows that the run has persisted, all 0 if they were not read back yet.
        staging: staged rows of the run; kept if the next run needs them to recover this run.

    Raises:
        SyncTakenOverError: another run has taken the sync over, which the exception does not say.
    """
    failure = _Failure(run, error, work, delivery, staging)
    with contextlib.suppress(Exception):
        run_to_the_end(run.tables.spark, failure.settle, run.clock, "end of a failed run")
    if failure.is_logged:
        log_end(run, failure.exit_status, failure.outcome, failure.books)
    if isinstance(error, Exception) and failure.error is not error:
        raise failure.error from None


class _Failure:
    """Settles a run that an exception has ended: counts what it has committed, and writes its end.

    Args:
        run, error, work, delivery, staging: see `fail_run`.

    Attributes:
        error: the exception, or a `SyncTakenOverError` if it is found that another run has taken the sync over.
        is_logged: whether the run has begun, so that its end belongs into the log.
        books: all counts; None if the survey had not finished.
    """

    def __init__(
        self,
        run: RunContext,
        error: BaseException,
        work: SurveyResult | None,
        delivery: DeliveryCounts,
        staging: results.Staging | None,
    ) -> None:
        self.error = error
        self.is_logged = hasattr(run, "claim") and run.claim.is_claimed and not run.has_end
        self._run = run
        self._work = work
        self._delivery = delivery
        self._staging = staging

    @property
    def books(self) -> Books | None:
        if self._work is None:
            return None
        waves_done = self._run.waves_done
        return Books(self._work.counts, self._delivery, waves_done.not_started, waves_done.in_doubt)

    @property
    def exit_status(self) -> ExitStatus:
        if isinstance(self.error, CioSparkError):
            return self.error.exit_status
        # A notebook's Cancel, or Ctrl-C in a program without our signals
        interrupted = isinstance(self.error, KeyboardInterrupt)
        return ExitStatus.CANCELLED_SIGINT if interrupted else ExitStatus.INTERNAL_ERROR

    @property
    def outcome(self) -> str:
        if self._run.waves_done.may_still_send:
            return _STILL_SENDS
        if isinstance(self.error, CioSparkError):
            return str(self.error)
        if isinstance(self.error, KeyboardInterrupt):
            return "cancelled; nothing is lost: the next run goes on from there"
        return type(self.error).__name__

    def settle(self) -> None:
        """Count what the run has committed, look at its claim, and write its end."""
        run = self._run
        with outside_the_callers_group(run.tables.spark):
            if run.has_end or not run.has_open_claim() or not run.claim.is_claimed:
                return
            self.is_logged = True
            if not run.waves_done.started and self._staging is not None:
                with contextlib.suppress(Exception):  # else the next run recovers this one, and needs the staged rows
                    self._staging.drop()
            if run.waves_done.may_still_send:
                return
            if run.is_ending and self._has_end():
                return
            self._count()
            self._find_take_over()
            with contextlib.suppress(Exception):
                write_end(run, self._end())
                check_alerts(run)

    def _has_end(self) -> bool:
        """Tell whether the end of the run was committed in spite of an exception."""
        try:
            results.check_claim(self._run.tables, self._run.claim)
        except Exception as error:
            return isinstance(error, SyncTakenOverError)
        return False

    def _count(self) -> None:
        """Count the rows of the run; an interrupted wave may have been committed."""
        run, waves_done = self._run, self._run.waves_done
        if waves_done.started and not self._delivery.persisted:
            with contextlib.suppress(Exception):
                self._delivery = results.count_statuses(run.tables, run.claim.run_id, run.config.sync.name)
                waves_done.find_commit(self._delivery.persisted)

    def _find_take_over(self) -> None:
        """Look whether another run has taken the sync over, and register what was sent beside it."""
        run, wave = self._run, self._run.waves_done.unchecked_wave
        if run.waves_done.started and not isinstance(self.error, SyncTakenOverError):
            try:
                results.check_claim(run.tables, run.claim, wave)
            except SyncTakenOverError as taken_over:
                self.error = taken_over
            except Exception:  # the claim cannot be read: the next run finds the end of both runs, and recovers them
                return
        if isinstance(self.error, SyncTakenOverError):
            run.log.taken_over(self.error.wave)
            if self.error.wave is not None:
                with contextlib.suppress(Exception):
                    register_and_recover_take_over(run.config, run.tables, run.claim, self.error.wave, clock=run.clock)

    def _end(self) -> results.RunEnd:
        run = self._run
        end = results.RunEnd(
            run.claim.run_id,
            run.claim.sync,
            run.clock.now(),
            "cancelled" if self.exit_status in CANCELLED else "failed",
            self.exit_status,
            self.outcome,
            self.books,
            # Set only if nothing was sent: a run whose end has no delivery time is recovered by the next run
            delivery_seconds=None if run.waves_done.started else 0.0,
            scope=run.scope_choice,
        )
        return replace(end, status="taken_over") if isinstance(self.error, SyncTakenOverError) else end
