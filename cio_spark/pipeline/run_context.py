"""Holds the objects that a run works with, and claims its sync, for a sync and a replay alike."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

from pyspark.sql import SparkSession

from cio_spark import results, runtime
from cio_spark.clock import EXPECTED_CLOCK_DIFFERENCE, Clock, SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.coverage import ScopeChoice
from cio_spark.delivery import engine
from cio_spark.errors import CioSparkError, ExitStatus, RunInterruptedError
from cio_spark.logs.style import LogStyle
from cio_spark.model import RunKind
from cio_spark.pipeline.changed_bytes import reasons_for_changed_bytes
from cio_spark.pipeline.earlier_try import wait_for_earlier_try
from cio_spark.pipeline.phases import Phases, explain_spark_failures
from cio_spark.pipeline.progress import NullProgress, Progress
from cio_spark.pipeline.retry_guard import check_earlier_tries
from cio_spark.pipeline.run_lease import RunLease
from cio_spark.pipeline.run_log import RunLog
from cio_spark.pipeline.scope import RunScope, choose_scope
from cio_spark.pipeline.waves_done import WavesDone
from cio_spark.pipeline.workspace_guard import check_address
from cio_spark.results import ClaimOpening, Tables
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.source import Snapshot
from cio_spark.spark.fixed_settings import settings_in_force
from cio_spark.spark.helper_thread import run_to_the_end
from cio_spark.spark.session import silence_quoting_loggers
from cio_spark.version import VERSION


class SourcePin(NamedTuple):
    """Says which rows a run reads.

    Attributes:
        source: description of the source, for people.
        source_version: version of the source table, if it alone defines the rows; else None.
    """

    source: str
    source_version: int | None


class RunContext:
    """Holds the objects that one run works with, from before its claim to its end.

    Args:
        config: configuration of the sync.
        kind: kind of the run.
        spark: the session.
        api_key: API key of the workspace.
        warehouse: folder of local tables; None if the tables are in the catalog.
        progress: listener that is told the progress of the run; None for none.
        clock: source of time; None for the system's clock.
        cancellation: asks the run to stop; None if nothing does.
        take_over: whether the user knows that no other run of the sync is alive.
        job_attempt: `job run/task/execution count/repair count` of a Databricks task; None elsewhere.
        same_workspace: whether the user knows that the API's address leads to the workspace of the last run, even if
            the addresses differ.
        executor_log: how the worker processes write log lines.

    Attributes:
        tables: access to the Delta tables.
        slots: task slots of the session.
        phases: seconds by phase.
        log: writes the log events of the run.
        waves_done: how far the waves got.
        claim: claim of the run; set by `claim_sync`.
        lease: renews the claim; set by `claim_sync`.
        notes: why this run writes other bytes than the last one, one sentence each; set by `claim_sync`.
        scope: what this run looks at; set by `choose_scope`, None for a replay.
        began_at: when the run began.
        is_ending: whether the run has begun to write its end.
        has_end: whether the end of the run is written.
    """

    claim: results.Claim
    lease: RunLease
    notes: tuple[str, ...] = ()
    scope: RunScope | None = None
    is_ending: bool = False
    has_end: bool = False
    _claiming: tuple[results.RunIdentity, dict[str, Any]] | None = None

    def __init__(
        self,
        config: SyncConfig,
        kind: RunKind,
        *,
        spark: SparkSession,
        api_key: ApiKey,
        warehouse: Path | None,
        progress: Progress | None,
        clock: Clock | None,
        cancellation: Cancellation | None,
        take_over: bool,
        job_attempt: str | None,
        same_workspace: bool,
        executor_log: LogStyle,
    ) -> None:
        silence_quoting_loggers()
        self.config = config
        self.kind = kind
        self.api_key = api_key
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
        self.waves_done = WavesDone()
        self._claimant = results.Claimant(
            owner=runtime.owner(ends_with_process=engine.ends_with_process(spark)),
            owner_is_dead=runtime.owner_is_dead,
            job_attempt=job_attempt,
            lease_seconds=config.delivery.lease_seconds,
            request_seconds=config.batch.timeout_seconds,
            takes_over=take_over,
        )
        self._same_workspace = same_workspace
        self._began, self.began_at = self.clock.monotonic(), self.clock.now()

    @property
    def scope_choice(self) -> ScopeChoice | None:
        """Return what the run looks at, and why; None if that is not decided, or for a replay."""
        return None if self.scope is None else self.scope.choice

    @property
    def owner(self) -> str:
        """Return host and process of the run."""
        return self._claimant.owner

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self.clock.monotonic() - self._began

    @contextlib.contextmanager
    def starting(self, phase: str) -> Iterator[None]:
        """Time a phase that precedes the run's claim; log an error, in one sentence, as an event.

        Args:
            phase: name of the phase.
        """
        try:
            with explain_spark_failures(self.config), self.phases.phase(phase):
                yield
        except CioSparkError as error:
            self.log.not_started(error)
            raise

    def set_up_tables(self) -> None:
        """Create missing tables and add missing columns."""
        results.set_up_tables(
            self.tables,
            clock=self.clock,
            owner_is_dead=runtime.owner_is_dead,
            raise_if_cancelled=lambda: self.cancellation.raise_if_requested("it waited for other runs in its tables"),
        )

    def read_claims(self) -> ClaimOpening:
        """Read the runs of the sync, and make sure that this run may claim the sync.

        A later try of a task of a Databricks job waits until the wave of its dead predecessor may send no more.

        Raises:
            ConfigurationError: the last run had another API address.
            EarlierTryError: an earlier try of this Databricks task has ended in a way that a retry does not help.
            SyncAlreadyRunningError: another run has claimed the sync.
            RunCancelledError: the run was cancelled while it waited.
        """
        opening = wait_for_earlier_try(
            lambda: results.read_claims(self.tables, self.config.sync.name, self._claimant, clock=self.clock),
            lambda error: self.log.waits(error, job_attempt=self._claimant.job_attempt),
            cancellation=self.cancellation,
            clock=self.clock,
        )
        check_earlier_tries(self._claimant.job_attempt, opening.history.runs)
        if opening.newest is not None and not self._same_workspace:
            check_address(self.config, self.tables, opening.newest.configuration)
        return opening

    def is_older_than(self, opening: ClaimOpening) -> bool:
        """Tell whether another run may have sent records since this run began.

        The comparison allows for the difference between clocks if the other run had another machine.
        """
        newest = opening.newest
        if newest is None:
            return False
        margin = timedelta() if runtime.is_on_this_machine(newest.owner) else EXPECTED_CLOCK_DIFFERENCE
        return newest.last_event_at >= self.began_at - margin

    def choose_scope(self, opening: ClaimOpening, snapshot: Snapshot, asked_for: str | None) -> RunScope:
        """Choose what the run looks at; see `scope.choose_scope`.

        Args:
            opening: the earlier runs of the sync, as `read_claims` returned them.
            snapshot: the pinned source.
            asked_for: why the user wants to look at all rows; None if nobody asked.
        """
        runs = opening.history.runs
        self.scope = choose_scope(self.config, self.tables, snapshot, runs, asked_for=asked_for, now=self.clock.now())
        return self.scope

    def facts_of(self, opening: ClaimOpening, pin: SourcePin) -> dict[str, Any]:
        """Return what the run writes down about itself, and note why it writes other bytes than the last one.

        Args:
            opening: the earlier runs of the sync, as `read_claims` returned them.
            pin: the source rows that the run reads.
        """
        settings = settings_in_force(self.tables.spark)
        if opening.newest is not None:
            self.notes = reasons_for_changed_bytes(self.config, opening.newest.session_settings, settings)
        return {
            **pin._asdict(),
            "kind": self.kind.value,
            "session_settings": settings.to_json(),
            "configuration": json.dumps(self.config.describe()),
            "package_version": VERSION,
            "fingerprint": None if self.scope is None or self.scope.source is None else self.scope.source.identity,
        }

    def claim_sync(self, opening: ClaimOpening, pin: SourcePin) -> None:
        """Claim the sync for this run.

        Args:
            opening: the earlier runs of the sync, as `read_claims` returned them.
            pin: the source rows that the run reads.

        Raises:
            SyncAlreadyRunningError: another run claimed the sync first.
        """
        facts = self.facts_of(opening, pin)
        identity = results.name_run(opening)
        self._claiming = identity, facts

        def claim() -> None:
            self.claim = results.claim_sync(
                self.tables, opening, self._claimant, facts, clock=self.clock, identity=identity
            )

        run_to_the_end(self.tables.spark, claim, self.clock, "claiming")
        self.lease = RunLease(self.tables, self.claim, self._claimant, self.clock)
        self.log.claimed(
            self.claim,
            job_attempt=self._claimant.job_attempt,
            take_over=self._claimant.takes_over,
            lease_seconds=self._claimant.lease_seconds,
        )

    def has_open_claim(self) -> bool:
        """Tell whether the run has claimed its sync; look for its claim if the run was interrupted while it claimed."""
        if self._claiming is None:
            return False
        if not hasattr(self, "claim"):
            (run_id, _), facts = self._claiming
            found = results.find_claim(self.tables, self.config.sync.name, run_id, facts, clock=self.clock)
            if found is None:
                return False
            self.claim = found
            self.log.started(found)
        return True

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Renew the claim while the block runs, and turn an exception of Spark into one sentence.

        Raises:
            RunInterruptedError: a configuration error was found after the run had begun to send; the configuration
                error alone would say that nothing was sent.
        """
        try:
            with explain_spark_failures(self.config), self.lease:
                yield
        except CioSparkError as error:
            if self.waves_done.started and error.exit_status is ExitStatus.CONFIGURATION_ERROR:
                raise RunInterruptedError(
                    f"{error}; the run had begun to send: the next run recovers it, and goes on from there"
                ) from None
            raise
