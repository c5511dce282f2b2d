"""Says in the log what a run does, an event a step (docs/logging.md)."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final, NamedTuple

from cio_spark.clock import Clock
from cio_spark.errors import CioSparkError, ExitStatus, SyncAlreadyRunningError
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import ERROR, FIELDS, INFO, Event
from cio_spark.logs.style import LogStyle
from cio_spark.model import Books, DeliveryCounts, DeliveryPlan, StateCounts
from cio_spark.results import Claim
from cio_spark.statuses import STATUSES

PROGRESS_EVERY_SECONDS: Final = 30.0
_SUMS: Final = (*STATUSES, "requests", "retries", "bytes")
_HASH_CHARACTERS: Final = 16


class _Committed(NamedTuple):
    """Describes a wave whose statuses are committed and not counted yet."""

    wave: int
    seconds: float


class RunLog:
    """Writes the events of one run.

    Args:
        sync: the sync's name.
        clock: time.
        of_workers: how the worker processes write log lines.

    Attributes:
        of_workers: the same.
    """

    def __init__(self, sync: str, clock: Clock, of_workers: LogStyle = LogStyle.OFF) -> None:
        self.of_workers = of_workers
        self._sync = sync
        self._clock = clock
        self._log = EventLog(sync)
        self._wave = 0
        self._wave_began = self._progress_told = clock.monotonic()
        self._uncounted: _Committed | None = None
        self._before = DeliveryCounts()

    def not_started(self, error: CioSparkError) -> None:
        """Say that a run has ended before it had claimed its sync."""
        said: dict[str, Any] = {"exit_status": int(error.exit_status), "error": str(error)}
        if isinstance(error, SyncAlreadyRunningError):
            self._log.write(Event.CLAIM_REFUSED, holder_run_id=error.holder, **said)
        else:
            self._log.write(Event.RUN_NOT_STARTED, error_type=type(error).__name__, **said)

    def claimed(self, claim: Claim, *, job_attempt: str | None, take_over: bool, lease_seconds: float) -> None:
        """Say that the run holds its sync, from whom it took it over, and what it reads; its id is known from now on.

        Args:
            claim: of the run.
            job_attempt: `job run/task/execution count` of a Databricks task; None elsewhere.
            take_over: whether the user has said that no other run is alive.
            lease_seconds: how long the claim lasts without a sign of life.
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
        facts = claim.facts
        self._log.write(
            Event.RUN_STARTED,
            source=facts.get("source"),
            source_version=facts.get("source_version"),
            configuration_hash=configuration_hash(facts.get("configuration")),
            package_version=facts.get("package_version"),
        )

    def settled(self, lost_run_id: str) -> None:
        """Say that what a lost run may have sent is written down."""
        self._log.write(Event.LOST_RUN_SETTLED, lost_run_id=lost_run_id)

    def planned(self, counts: StateCounts, plan: DeliveryPlan, waves: int) -> None:
        """Say what there is to do, and how it is cut.

        Args:
            counts: rows by state.
            plan: of all waves.
            waves: how many.
        """
        named = {**asdict(counts), **asdict(plan)}
        self._log.write(
            Event.RUN_PLANNED,
            **{
                **{name: named[name] for name in FIELDS[Event.RUN_PLANNED] if name in named},
                "requests": plan.batches,
                "tasks": plan.concurrent_tasks,
                "waves": waves,
                "eta_seconds": round(plan.eta_seconds, 3),
            },
        )

    def wave_started(self, wave: int, waves: int, records: int, plan: DeliveryPlan) -> None:
        """Say that a wave begins.

        Args:
            wave: its number, from 0.
            waves: how many there are.
            records: rows in it, those that are only written down as invalid included.
            plan: how it is cut.
        """
        self._wave, self._wave_began = wave, self._clock.monotonic()
        self._progress_told = self._wave_began
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

    def progressed(self, done: int, total: int) -> None:
        """Say now and then how far a wave is.

        Args:
            done: completed tasks.
            total: all tasks.
        """
        now = self._clock.monotonic()
        if now - self._progress_told < PROGRESS_EVERY_SECONDS:
            return
        self._progress_told = now
        seconds = round(now - self._wave_began, 3)
        self._log.write(Event.WAVE_PROGRESS, wave=self._wave, tasks_done=done, tasks=total, seconds=seconds)

    def wave_retried(self, wave: int, attempt: int, reason: str) -> None:
        """Say that a wave is sent once more, under the same message ids.

        Args:
            wave: its number.
            attempt: of the try that begins, from 2.
            reason: `executor_lost` or `no_free_slots`.
        """
        self._log.write(Event.WAVE_RETRIED, wave=wave, attempt=attempt, reason=reason)

    def wave_committed(self, wave: int) -> None:
        """Note that a wave's statuses are committed; the event is written once they are counted."""
        self._uncounted = _Committed(wave, self._clock.monotonic() - self._wave_began)

    def counted(self, counts: DeliveryCounts | None) -> None:
        """Say what became of the wave that was committed last; nothing where that has been said.

        Args:
            counts: of the whole run so far; None: they could not be read.
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
        """Say that another run has taken the sync over.

        Args:
            wave: the wave that may have been sent beside the other run; None: nothing was.
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
    ) -> None:
        """Say how the run ended.

        Args:
            exit_status: of the run.
            outcome: one sentence.
            books: all counts; None: it never came to them.
            seconds: whole run.
            delivery_seconds: the waves.
            phases: seconds by phase.
        """
        self._log.write(
            Event.RUN_ENDED,
            level=INFO if exit_status is ExitStatus.SUCCESS else ERROR,
            exit_status=int(exit_status),
            outcome=outcome,
            seconds=round(seconds, 3),
            delivery_seconds=round(delivery_seconds, 3),
            phases={name: round(spent, 3) for name, spent in phases.items()},
            **(_counts_of(books) if books is not None else {}),
        )


def configuration_hash(configuration: str | None) -> str | None:
    """Hash a run's configuration, as its row of `sync_runs` has it, so that runs can be compared; None: it has none."""
    return hashlib.sha256(configuration.encode()).hexdigest()[:_HASH_CHARACTERS] if configuration else None


def _counts_of(books: Books) -> dict[str, Any]:
    """Give all counts of a run's books by the names of the fields."""
    counts = {**asdict(books.survey), **asdict(books.delivery)}
    return {
        **{name: counts[name] for name in FIELDS[Event.RUN_ENDED] if name in counts},
        "not_started": books.not_started,
        "in_doubt": books.in_doubt,
        "balanced": books.balanced,
        "error_rate_percent": round(books.error_rate_percent, 4),
    }


def _new_failures(counts: DeliveryCounts, before: DeliveryCounts) -> Sequence[dict[str, Any]]:
    """Give what was not accepted since, by status, category and code, most frequent first; no word of the API."""
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
