"""Holds what a run works with, and claims its sync: the same for a sync and a replay."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

from pyspark.sql import SparkSession

from cio_spark import results, runtime
from cio_spark.clock import CLOCKS_DIFFER, Clock, SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.delivery import engine
from cio_spark.errors import CioSparkError, ExitStatus, RunInterruptedError
from cio_spark.logs.style import LogStyle
from cio_spark.model import RunKind
from cio_spark.pipeline.changed_bytes import bytes_changes
from cio_spark.pipeline.phases import Phases, explained
from cio_spark.pipeline.progress import NullProgress, Progress
from cio_spark.pipeline.progression import Progression
from cio_spark.pipeline.run_lease import RunLease
from cio_spark.pipeline.run_log import RunLog
from cio_spark.pipeline.workspace_guard import check_address
from cio_spark.results import ClaimOpening, Tables
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.spark.fixed_settings import settings_in_force
from cio_spark.spark.session import silence_quoting_loggers
from cio_spark.version import VERSION


class SourcePin(NamedTuple):
    """Says which rows a run reads.

    Attributes:
        source: for people.
        source_version: the version that alone says which rows they are; None: it does not.
    """

    source: str
    source_version: int | None


class RunContext:
    """Holds what one run works with, from before its claim to its end.

    Args:
        config: the sync.
        kind: of the run.
        spark: the session.
        api_key: the workspace's key.
        warehouse: folder of local tables; None: the catalog knows them.
        progress: listener.
        clock: time.
        cancellation: whoever may ask the run to stop.
        take_over: whether the user knows that no other run of the sync is alive.
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
        self.progression = Progression()
        self._claimant = results.Claimant(
            owner=runtime.owner(ends_with_process=engine.ends_with_process(spark)),
            owner_is_dead=runtime.owner_is_dead,
            job_attempt=job_attempt,
            lease_seconds=config.delivery.lease_seconds,
            request_seconds=config.batch.timeout_seconds,
            takes_over=take_over,
        )
        self._same_workspace = same_workspace
        self._began, self._began_at = self.clock.monotonic(), self.clock.now()

    @property
    def seconds(self) -> float:
        """Seconds since the run began."""
        return self.clock.monotonic() - self._began

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

    def set_up_tables(self) -> None:
        """Create the tables that are missing, and add the columns that are missing."""
        results.set_up_tables(self.tables, clock=self.clock, owner_is_dead=runtime.owner_is_dead)

    def read_claims(self) -> ClaimOpening:
        """Read the runs of the sync, and make sure that this one may claim it.

        Raises:
            ConfigurationError: the last run had another address.
            SyncAlreadyRunningError: another run holds the sync.
        """
        opening = results.read_claims(self.tables, self.config.sync.name, self._claimant, clock=self.clock)
        if opening.newest is not None and not self._same_workspace:
            check_address(self.config, self.tables, opening.newest.configuration)
        return opening

    def is_older_than(self, opening: ClaimOpening) -> bool:
        """Tell whether another run may have sent something since this one began; clocks of other machines differ."""
        newest = opening.newest
        if newest is None:
            return False
        margin = timedelta() if runtime.is_here(newest.owner) else CLOCKS_DIFFER
        return newest.last_event_at >= self._began_at - margin

    def claim_sync(self, opening: ClaimOpening, pin: SourcePin) -> None:
        """Claim the sync for this run.

        Args:
            opening: the runs before it.
            pin: what the run reads.

        Raises:
            SyncAlreadyRunningError: another run was a moment quicker.
        """
        settings = settings_in_force(self.tables.spark)
        if opening.newest is not None:
            self.notes = bytes_changes(self.config, opening.newest.session_settings, settings)
        facts = {
            **pin._asdict(),
            "kind": self.kind.value,
            "session_settings": settings.to_json(),
            "configuration": json.dumps(self.config.describe()),
            "package_version": VERSION,
        }
        self.claim = results.claim_sync(self.tables, opening, self._claimant, facts, clock=self.clock)
        self.lease = RunLease(self.tables, self.claim, self._claimant, self.clock)
        self.log.claimed(
            self.claim,
            job_attempt=self._claimant.job_attempt,
            take_over=self._claimant.takes_over,
            lease_seconds=self._claimant.lease_seconds,
        )

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        """Keep the claim alive while the block runs; an error gets its sentence.

        Raises:
            RunInterruptedError: an error that says "nothing was sent" where it is raised came after something was.
        """
        try:
            with explained(self.config), self.lease:
                yield
        except CioSparkError as error:
            if self.progression.started and error.exit_status is ExitStatus.CONFIGURATION_ERROR:
                raise RunInterruptedError(
                    f"{error}; the run had begun to send: the next run recovers it, and goes on from there"
                ) from None
            raise
