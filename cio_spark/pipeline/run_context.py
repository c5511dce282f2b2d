"""What frames a sync and a replay alike: a claim at the beginning, an end with its books, alerts."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import SparkSession

from cio_spark import results, runtime
from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.delivery import engine
from cio_spark.errors import CioSparkError, ExitStatus, SyncTakenOverError
from cio_spark.logs.style import LogStyle
from cio_spark.model import Books, DeliveryPlan, StateCounts, SyncResult
from cio_spark.monitoring.check import check_after_run
from cio_spark.pipeline.changed_bytes import bytes_changes
from cio_spark.pipeline.phases import Phases, explained
from cio_spark.pipeline.progress import NullProgress, Progress
from cio_spark.pipeline.run_lease import RunLease
from cio_spark.pipeline.run_log import RunLog
from cio_spark.pipeline.take_over import settle_after_take_over
from cio_spark.pipeline.waves import Progression, Wave, deliver_waves
from cio_spark.pipeline.workspace_guard import check_address
from cio_spark.results import Tables
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.spark.fixed_settings import settings_in_force
from cio_spark.spark.session import silence_quoting_loggers
from cio_spark.version import VERSION

CANCELLED = (ExitStatus.CANCELLED_SIGINT, ExitStatus.CANCELLED_SIGTERM)
CLOCKS_DIFFER = timedelta(minutes=10)


class SourcePin(NamedTuple):
    """What a run reads.

    Attributes:
        source: for people.
        source_version: the version that alone says which rows they are; None: it does not.
    """

    source: str
    source_version: int | None


class RunContext:
    """One run, from its claim to its end.

    Args:
        config: the sync.
        spark: the session.
        warehouse: folder of local tables; None: the catalog knows them.
        progress: listener.
        clock: time.
        cancellation: whoever may ask the run to stop.
        takes_over: whether the user knows that no other run of the sync is alive.
        job_attempt: `job run/task/execution count` of a Databricks task.
        same_workspace: whether the user knows that another address than the last run's leads to the same workspace.
        executor_log: how the worker processes write log lines.

    Attributes:
        tables: where the tables are.
        slots: task slots.
        phases: seconds by phase.
        log: says what the run does.
        progression: how far the waves got.
        claim: of the run, from `claim_sync` on.
        lease: keeps the claim, from `claim_sync` on.
        notes: why this run writes other bytes than the last one, from `claim_sync` on.
    """

    claim: results.Claim
    lease: RunLease
    notes: tuple[str, ...] = ()

    def __init__(
        self,
        config: SyncConfig,
        spark: SparkSession,
        warehouse: Path | None,
        progress: Progress | None,
        clock: Clock | None,
        cancellation: Cancellation | None,
        *,
        takes_over: bool = False,
        job_attempt: str | None = None,
        same_workspace: bool = False,
        executor_log: LogStyle = LogStyle.OFF,
    ) -> None:
        silence_quoting_loggers()
        self.config = config
        self.clock = clock or SystemClock()
        self.progress = progress or NullProgress()
        self.cancellation = cancellation or Cancellation(self.clock)
        self.phases = Phases(self.clock, self.progress)
        self.log = RunLog(config.sync.name, self.clock, executor_log)
        self.tables = Tables(spark, config.tables, warehouse)
        try:
            self.slots = engine.count_slots(spark, config.delivery.engine)
        except CioSparkError as error:
            self.log.not_started(error)
            raise
        self.progression = Progression()
        self._claimant = results.Claimant(
            owner=runtime.owner(ends_with_process=engine.ends_with_process(spark)),
            owner_is_dead=runtime.owner_is_dead,
            job_attempt=job_attempt,
            lease_seconds=config.delivery.lease_seconds,
            request_seconds=config.batch.timeout_seconds,
            takes_over=takes_over,
        )
        self._same_workspace = same_workspace
        self._began, self._began_at = self.clock.monotonic(), self.clock.now()

    def claim_sync(self, pin: Callable[[], SourcePin], pinned: SourcePin) -> None:
        """Claims the sync for this run.

        Args:
            pin: pins the source anew; called where another run has sent something since it was pinned.
            pinned: what the run reads, as pinned before.

        Raises:
            ConfigurationError: the last run had another address.
            SyncAlreadyRunningError: another run holds the sync.
        """
        with self.starting("claim"):
            self.claim = results.claim_sync(
                self.tables,
                self.config.sync.name,
                self._claimant,
                clock=self.clock,
                facts=lambda newest: {
                    **self._settings_facts(newest),
                    **self._pinned(newest, pin, pinned)._asdict(),
                    "configuration": json.dumps(self.config.describe()),
                    "package_version": VERSION,
                },
            )
        self.lease = RunLease(self.tables, self.claim, self._claimant, self.clock)
        self.log.claimed(
            self.claim,
            job_attempt=self._claimant.job_attempt,
            take_over=self._claimant.takes_over,
            lease_seconds=self._claimant.lease_seconds,
        )

    @contextlib.contextmanager
    def starting(self, phase: str) -> Iterator[None]:
        """Time a phase before the run has started; an error gets its sentence, and its event.

        Args:
            phase: its name.
        """
        try:
            with explained(self.config), self.phases.phase(phase):
                yield
        except CioSparkError as error:
            self.log.not_started(error)
            raise

    def _pinned(self, newest: results.ClaimState | None, pin: Callable[[], SourcePin], pinned: SourcePin) -> SourcePin:
        """Give what the run reads, once it is clear that the ledger is that of its workspace."""
        if newest is not None and not self._same_workspace:
            check_address(self.config, self.tables, newest.configuration)
        return pin() if self._is_later(newest) else pinned

    def _settings_facts(self, newest: results.ClaimState | None) -> dict[str, str]:
        """Give the settings that this run has fixed, for its row; note where they are not those of the newest run."""
        settings = settings_in_force(self.tables.spark)
        self.notes = bytes_changes(self.config, newest.session_settings, settings) if newest is not None else ()
        return {"session_settings": settings.to_json()}

    def _is_later(self, newest: results.ClaimState | None) -> bool:
        """Whether a run may have been at work since this one began; clocks of other machines differ."""
        if newest is None:
            return False
        margin = timedelta() if runtime.is_here(newest.owner) else CLOCKS_DIFFER
        return newest.last_event_at >= self._began_at - margin

    def deliver(self, waves: list[Wave], counts: StateCounts, plan: DeliveryPlan, api_key: ApiKey) -> None:
        """Delivers waves, as long as nothing says to stop.

        Args:
            waves: what to deliver; there may be none.
            counts: rows by state.
            plan: of all of them.
            api_key: the key.

        Raises:
            SyncTakenOverError: another run has taken the sync over.
        """
        self.log.planned(counts, plan, len(waves))
        if not waves:
            return
        self.progress.planned(self.config.sync.name, plan)
        with self.phases.phase("deliver"):
            deliver_waves(
                self.config,
                self.tables,
                waves,
                self.claim.run_id,
                api_key,
                self.progress if self.config.batch.enable_monitoring else NullProgress(),
                self.cancellation,
                self.progression,
                self.lease,
                self.log,
            )

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Keeps the claim alive; an error gets its sentence."""
        with explained(self.config), self.lease:
            yield

    def fail(self, error: BaseException, books: Books | None) -> None:
        """Writes the end of a run that Spark, a defect or another run ended.

        Where Spark itself is gone this cannot be written: the next run then closes and settles this one as lost.

        Args:
            error: what ended it.
            books: what is known of its rows.
        """
        progression = self.progression
        exit_status, said = ExitStatus.INTERNAL_ERROR, type(error).__name__
        if isinstance(error, CioSparkError):
            exit_status, said = error.exit_status, str(error)
        end = results.RunEnd(
            self.claim.run_id,
            self.claim.sync,
            self.clock.now(),
            "taken_over" if isinstance(error, SyncTakenOverError) else "failed",
            exit_status,
            said,
            books and replace(books, not_started=progression.not_started, in_doubt=progression.in_doubt),
            # Said only where nothing was sent: without it the next run settles this one
            delivery_seconds=None if progression.started else 0.0,
        )
        if isinstance(error, SyncTakenOverError):
            self.log.taken_over(error.wave)
            if error.wave is not None:
                with contextlib.suppress(Exception):
                    settle_after_take_over(self.config, self.tables, self.claim, error.wave, clock=self.clock)
        with contextlib.suppress(Exception):
            results.end_run(self.tables, end)
            self._check_alerts()
        self._log_end(exit_status, said, end.books)

    def end(
        self,
        books: Books,
        exit_status: ExitStatus,
        message: str,
        plan: DeliveryPlan | None,
        ledger_version: int | None = None,
    ) -> SyncResult:
        """Writes the end of a run that came to its books.

        Args:
            books: all counts.
            exit_status, message: the verdict.
            plan: how it was cut; None where nothing was sent.
            ledger_version: version of `record_status` it was planned on.
        """
        well = exit_status is ExitStatus.SUCCESS
        delivery_seconds = self.phases.seconds.get("deliver", 0.0)
        with self.phases.phase("end"):
            results.end_run(
                self.tables,
                results.RunEnd(
                    self.claim.run_id,
                    self.claim.sync,
                    self.clock.now(),
                    "succeeded" if well else "cancelled" if exit_status in CANCELLED else "failed",
                    exit_status,
                    None if well else message,
                    books,
                    delivery_seconds,
                    ledger_version,
                ),
            )
        self._check_alerts()
        self._log_end(exit_status, message, books)
        result = SyncResult(
            run_id=self.claim.run_id,
            sync=self.claim.sync,
            exit_status=exit_status,
            books=books,
            plan=plan,
            message=message,
            seconds=self.clock.monotonic() - self._began,
            delivery_seconds=delivery_seconds,
            phases=self.phases.seconds,
            notes=self.notes,
        )
        self.progress.finished(result)
        return result

    def _log_end(self, exit_status: ExitStatus, outcome: str, books: Books | None) -> None:
        # A wave that was committed has rows: without any, they could not be counted
        self.log.counted(books.delivery if books is not None and books.delivery.persisted else None)
        self.log.ended(
            exit_status,
            outcome,
            books,
            seconds=self.clock.monotonic() - self._began,
            delivery_seconds=self.phases.seconds.get("deliver", 0.0),
            phases=self.phases.seconds,
        )

    def _check_alerts(self) -> None:
        if self.config.batch.enable_monitoring:
            with self.phases.phase("alerts"):
                check_after_run(
                    self.config,
                    self.tables,
                    clock=self.clock,
                    find_webhook=runtime.find_webhook,
                    run_id=self.claim.run_id,
                )
