"""Writes one log event for each step of a run (docs/logging.md)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from cio_spark.clock import Clock
from cio_spark.coverage import ScopeChoice
from cio_spark.errors import CioSparkError, ExitStatus, SyncAlreadyRunningError
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import ERROR, FIELDS, INFO, Event
from cio_spark.logs.style import LogStyle
from cio_spark.model import Books, DeliveryCounts, DeliveryPlan, StateCounts
from cio_spark.pipeline.progress import DeliveryProgress
from cio_spark.results import Claim
from cio_spark.statuses import STATUSES

PROGRESS_EVERY_SECONDS: Final = 10.0
_SUMS: Final = (*STATUSES, "requests", "retries", "bytes")
_HASH_CHARACTERS: Final = 16


class _Committed(NamedTuple):
    """Describes a wave whose statuses are committed but not counted yet."""

    wave: int
    seconds: float


class RunLog:
    """Writes the events of one run.

    Args:
        sync: name of the sync.
        clock: source of time.
        of_workers: how the worker processes write log lines.

    Attributes:
        of_workers: how the worker processes write log lines.
    """

    def __init__(self, sync: str, clock: Clock, of_workers: LogStyle = LogStyle.OFF) -> None:
        self.of_workers = of_workers
        self._sync = sync
        self._clock = clock
        self._log = EventLog(sync)
        self._wave = 0
        self._wave_began = clock.monotonic()
        self._progress_periods = 0
        self._uncounted: _Committed | None = None
        self._before = DeliveryCounts()

    def not_started(self, error: CioSparkError) -> None:
        """Log that a run ended before it claimed its sync."""
        said: dict[str, Any] = {"exit_status": int(error.exit_status), "error": str(error)}
        if isinstance(error, SyncAlreadyRunningError):
            self._log.write(Event.CLAIM_REFUSED, holder_run_id=error.holder, **said)
        else:
            self._log.write(Event.RUN_NOT_STARTED, error_type=type(error).__name__, **said)

    def waits(self, error: SyncAlreadyRunningError, *, job_attempt: str | None) -> None:
        """Log that the run waits for the end of an earlier try of its task.

        Args:
            error: says which run has the claim, and when this run may take it over.
            job_attempt: `job run/task/execution count` of the Databricks task.
        """
        until = None if error.free_at is None else error.free_at.isoformat()
        self._log.write(Event.CLAIM_WAITS, holder_run_id=error.holder, job_attempt=job_attempt, until=until)

    def claimed(self, claim: Claim, *, job_attempt: str | None, take_over: bool, lease_seconds: float) -> None:
        """Log the claim of the run, the dead runs that it closed, and its source; later events carry the run id.

        Args:
            claim: claim of the run.
            job_attempt: `job run/task/execution count/repair count` of a Databricks task; None elsewhere.
            take_over: whether the user has said that no other run is alive.
            lease_seconds: seconds that the claim lasts without a renewal.
        """
        self._log = EventLog(self._sync, claim.run_id)
        self._log.write(
            Event.CLAIM_MADE,
            job_attempt=job_attempt,
            take_over=take_over,
            lease_seconds=lease_seconds,
            lost_runs=len(claim.lost),
        )
        for closed in claim.closed:
            self._log.write(
                Event.CLAIM_TOOK_OVER,
                lost_run_id=closed.run_id,
                reason=closed.reason.value,
                started_at=closed.started_at.isoformat(),
                claim_expires_at=closed.expires_at.isoformat(),
            )
        self.started(claim)

    def started(self, claim: Claim) -> None:
        """Log the source of the run; later events carry the run id."""
        self._log = EventLog(self._sync, claim.run_id)
        facts = claim.facts
        self._log.write(
            Event.RUN_STARTED,
            source=facts.get("source"),
            source_version=facts.get("source_version"),
            configuration_hash=configuration_hash(facts.get("configuration")),
            package_version=facts.get("package_version"),
        )

    def settled(self, lost_run_id: str) -> None:
        """Log that a lost run is recovered: its records in doubt are in the tables."""
        self._log.write(Event.LOST_RUN_SETTLED, lost_run_id=lost_run_id)

    def planned(self, counts: StateCounts, plan: DeliveryPlan, waves: int, scope: ScopeChoice | None = None) -> None:
        """Log the records to deliver and the plan of the delivery.

        Args:
            counts: source rows by state.
            plan: plan of all waves together.
            waves: number of waves.
            scope: what the run looks at; None for a replay.
        """
        named = {**asdict(counts), **asdict(plan)}
        self._log.write(
            Event.RUN_PLANNED,
            **{
                **{name: named[name] for name in FIELDS[Event.RUN_PLANNED] if name in named},
                "requests": plan.batches,
                "tasks": plan.concurrent_tasks,
                "waves": waves,
                **_scope_fields(scope),
                "eta_seconds": round(plan.eta_seconds, 3),
            },
        )

    def wave_started(self, wave: int, waves: int, records: int, plan: DeliveryPlan) -> None:
        """Log that a wave begins.

        Args:
            wave: number of the wave, from 0.
            waves: number of all waves.
            records: rows of the wave, including invalid ones, which are recorded but not sent.
            plan: plan of the wave.
        """
        self._wave, self._wave_began = wave, self._clock.monotonic()
        self._progress_periods = 0
        self._log.write(
            Event.WAVE_STARTED,
            wave=wave,
            waves=waves,
            records=records,
            requests=plan.batches,
            partitions=plan.partitions,
            lanes=plan.lanes,
            eta_seconds=round(plan.eta_seconds, 3),
        )

    def progressed(self, progress: DeliveryProgress) -> None:
        """Log the progress of a wave, once in `PROGRESS_EVERY_SECONDS`."""
        seconds = self._clock.monotonic() - self._wave_began
        periods = int(seconds // PROGRESS_EVERY_SECONDS)
        if periods <= self._progress_periods:
            return
        self._progress_periods = periods
        rate, left = progress.records_per_second, progress.seconds_left
        self._log.write(
            Event.WAVE_PROGRESS,
            wave=self._wave,
            records_done=progress.wave_records_done,
            records=progress.wave_records,
            records_per_second=None if rate is None else round(rate, 3),
            run_seconds_left=None if left is None else round(left, 3),
            tasks_done=progress.tasks_done,
            tasks=progress.tasks,
            seconds=round(seconds, 3),
        )

    def wave_retried(self, wave: int, attempt: int, reason: str) -> None:
        """Log that a wave is sent once more, with the same message ids.

        Args:
            wave: number of the wave.
            attempt: number of the attempt that begins, from 2.
            reason: `executor_lost` or `no_free_slots`.
        """
        self._log.write(Event.WAVE_RETRIED, wave=wave, attempt=attempt, reason=reason)

    def wave_committed(self, wave: int) -> None:
        """Note that a wave's statuses are committed; the event is written once they are counted."""
        self._uncounted = _Committed(wave, self._clock.monotonic() - self._wave_began)

    def counted(self, counts: DeliveryCounts | None) -> None:
        """Log the counts of the wave that was committed last, unless they are logged already.

        Args:
            counts: counts of the whole run so far; None if they could not be read.
        """
        committed, self._uncounted = self._uncounted, None
        if committed is None:
            return
        seconds = round(committed.seconds, 3)
        if counts is None:
            self._log.write(Event.WAVE_COMMITTED, wave=committed.wave, seconds=seconds)
            return
        before, self._before = self._before, counts
        sums = {name: getattr(counts, name) - getattr(before, name) for name in _SUMS}
        self._log.write(Event.WAVE_COMMITTED, wave=committed.wave, seconds=seconds, **sums)
        failures = _new_failures(counts, before)
        if failures:
            records = sum(failure["records"] for failure in failures)
            self._log.write(Event.BATCH_FAILURES, wave=committed.wave, records=records, failures=failures)

    def taken_over(self, wave: int | None) -> None:
        """Log that another run has taken the sync over.

        Args:
            wave: number of the wave that may have been sent at the same time as the other run; None if none was.
        """
        self._log.write(Event.CLAIM_LOST, wave=wave)

    def ended(
        self,
        exit_status: ExitStatus,
        outcome: str,
        books: Books | None,
        *,
        seconds: float,
        delivery_seconds: float,
        phases: Mapping[str, float],
        scope: ScopeChoice | None = None,
    ) -> None:
        """Log how the run ended.

        Args:
            exit_status: exit status of the run.
            outcome: one sentence that describes the outcome.
            books: all counts of the run; None if they are not known.
            seconds: duration of the whole run.
            delivery_seconds: duration of the delivery of all waves.
            phases: seconds by phase.
            scope: what the run looked at; None for a replay, or if that was not decided.
        """
        self._log.write(
            Event.RUN_ENDED,
            level=INFO if exit_status is ExitStatus.SUCCESS else ERROR,
            exit_status=int(exit_status),
            outcome=outcome,
            seconds=round(seconds, 3),
            delivery_seconds=round(delivery_seconds, 3),
            phases={name: round(spent, 3) for name, spent in phases.items()},
            **_scope_fields(scope),
            **(_counts_of(books) if books is not None else {}),
        )


def configuration_hash(configuration: str | None) -> str | None:
    """Return a short hash of a run's configuration in `sync_runs`, to compare runs by; None if it has none."""
    return hashlib.sha256(configuration.encode()).hexdigest()[:_HASH_CHARACTERS] if configuration else None


def _scope_fields(scope: ScopeChoice | None) -> dict[str, Any]:
    return {} if scope is None else {"scope": scope.scope.value, "scope_reason": scope.reason}


def _counts_of(books: Books) -> dict[str, Any]:
    """Return all counts of a run's books by the names of the log fields."""
    counts = {**asdict(books.survey), **asdict(books.delivery)}
    return {
        **{name: counts[name] for name in FIELDS[Event.RUN_ENDED] if name in counts},
        "not_started": books.not_started,
        "in_doubt": books.in_doubt,
        "balanced": books.balanced,
        "error_rate_percent": round(books.error_rate_percent, 4),
    }


def _new_failures(counts: DeliveryCounts, before: DeliveryCounts) -> Sequence[dict[str, Any]]:
    """Return the records that were not accepted since `before`, by status, category and code, the most frequent first.

    The API's own messages are left out.
    """
    known = Counter({(code.status, code.category, code.code): code.records for code in before.codes})
    found = [
        {
            "status": code.status,
            "category": code.category,
            "code": code.code,
            "records": code.records - known[(code.status, code.category, code.code)],
        }
        for code in counts.codes
    ]
    return sorted((one for one in found if one["records"]), key=lambda one: -one["records"])
