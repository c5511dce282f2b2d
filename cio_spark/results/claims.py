"""One run of a sync at a time: a run claims its sync, and closes runs that died (docs/decisions/0018-lease.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Any

from cio_spark.clock import Clock
from cio_spark.errors import CioSparkError, ExitStatus, SyncAlreadyRunningError, SyncTakenOverError
from cio_spark.ids import new_run_id
from cio_spark.model import RunKind
from cio_spark.results.sync_runs import MOST_TRIES, ClaimState, RunEnd, append_events, claims_of, end_run, has_ended
from cio_spark.results.tables import Tables, lost_the_race

DEFAULT_LEASE_SECONDS = 180.0


@dataclass(frozen=True)
class LostRun:
    """Describes a run whose end nobody has seen, or that another run took over.

    Attributes:
        run_id: the run.
        configuration: JSON of its configuration.
        source_version: the version of the source it had pinned; None: it was staged, or there was none.
        taken_over_run: the run that it stands for, which sent beside a later one; None: it stands for itself.
        taken_over_wave: the wave of that run.
    """

    run_id: str
    configuration: str | None
    source_version: int | None
    taken_over_run: str | None = None
    taken_over_wave: int | None = None


class TakeOverReason(Enum):
    """Says why a run without an end counts as over."""

    TOLD = "told"
    """The user has said so (`--take-over`)."""
    OWNER_DEAD = "owner_dead"
    """Its process is gone."""
    CLAIM_EXPIRED = "claim_expired"
    """It has given no sign of life for too long."""
    LATER_TRY = "later_try"
    """It was an earlier try of this very task, and the time it may send until is over."""


@dataclass(frozen=True)
class ClosedRun:
    """Describes a run that was closed as lost by the commit that claimed its sync.

    Attributes:
        run_id: the run.
        reason: why it counts as over.
        started_at: when it claimed the sync.
        expires_at: when its claim ends, or ended.
    """

    run_id: str
    reason: TakeOverReason
    started_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Claim:
    """Says that this run holds a sync.

    Attributes:
        run_id: this run.
        sync: the sync.
        lost: earlier runs that died, or ended without their books: to be settled by this run.
        send_until: when this run stops sending, unless it says otherwise.
        facts: what it says of itself: source, versions, configuration.
        closed: runs that it has closed.
    """

    run_id: str
    sync: str
    lost: tuple[LostRun, ...]
    send_until: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    closed: tuple[ClosedRun, ...] = ()

    @property
    def lost_ids(self) -> list[str]:
        """The run ids of `lost`."""
        return [run.run_id for run in self.lost]


@dataclass(frozen=True)
class Claimant:
    """Describes who claims, and what it knows of other owners.

    Attributes:
        owner: host and process.
        owner_is_dead: whether the owner of a run is known to be gone; False where that cannot be known.
        job_attempt: `job run/task/execution count` of a Databricks task; None elsewhere.
        lease_seconds: how long a claim lasts after the last sign of life.
        request_seconds: how long a request may take that was started just before the end of sending.
        takes_over: whether the user knows that no other run is alive (`--take-over`).
    """

    owner: str
    owner_is_dead: Callable[[str], bool] = lambda _: False
    job_attempt: str | None = None
    lease_seconds: float = DEFAULT_LEASE_SECONDS
    request_seconds: float = 0.0
    takes_over: bool = False

    def may_take_over(self, run: ClaimState, now: datetime) -> bool:
        """Tell whether an open run is over, although it has no end."""
        return self.reason_to_take_over(run, now) is not None

    def reason_to_take_over(self, run: ClaimState, now: datetime) -> TakeOverReason | None:
        """Tell why an open run is over, although it has no end; None: it may be alive."""
        if self.takes_over:
            return TakeOverReason.TOLD
        if self.owner_is_dead(run.owner):
            return TakeOverReason.OWNER_DEAD
        if run.expires_at < now:
            return TakeOverReason.CLAIM_EXPIRED
        if _is_later_try(self.job_attempt, run.job_attempt) and run.send_until < now:
            return TakeOverReason.LATER_TRY
        return None

    def expiry(self, now: datetime, send_until: datetime) -> datetime:
        """The time when another run may take over after a sign of life.

        Args:
            now: time of the sign of life.
            send_until: when sending stops.
        """
        return max(now + timedelta(seconds=self.lease_seconds), send_until + timedelta(seconds=self.request_seconds))


def _is_later_try(mine: str | None, other: str | None) -> bool:
    """Tell whether two tries belong to one task of one job run, and `mine` is the later one."""
    if mine is None or other is None:
        return False
    (task, _, count), (other_task, _, other_count) = mine.rpartition("/"), other.rpartition("/")
    counted = count.isdecimal() and other_count.isdecimal()
    return bool(task) and task == other_task and counted and int(count) > int(other_count)


@dataclass(frozen=True)
class ClaimOpening:
    """Says that no run holds a sync, as its runs were read a moment ago.

    Attributes:
        sync: the sync.
        runs: its runs, oldest first.
        closed: those of them that have no end and are over; claiming the sync closes them.
        read_at: when they were read.
    """

    sync: str
    runs: tuple[ClaimState, ...]
    closed: tuple[ClosedRun, ...]
    read_at: datetime

    @property
    def newest(self) -> ClaimState | None:
        """The newest run that does not only stand for another one, whose facts it repeats."""
        return next((run for run in reversed(self.runs) if run.taken_over_run is None), None)

    @property
    def open_runs(self) -> list[ClaimState]:
        """The runs without an end."""
        return [run for run in self.runs if not run.ended]


def read_claims(tables: Tables, sync: str, claimant: Claimant, *, clock: Clock) -> ClaimOpening:
    """Read the runs of a sync, and make sure that none of them holds it.

    What the new run pins after this is no older than what those runs have sent.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        claimant: who is going to claim it.
        clock: time.

    Raises:
        SyncAlreadyRunningError: another run holds the sync.
    """
    now = clock.now()
    runs = claims_of(tables, sync, now)
    closed = []
    for run in runs:
        if run.ended:
            continue
        reason = claimant.reason_to_take_over(run, now)
        if reason is None:
            raise _already_running(sync, run)
        closed.append(ClosedRun(run.run_id, reason, run.started_at, run.expires_at))
    return ClaimOpening(sync, tuple(runs), tuple(closed), now)


def claim_sync(
    tables: Tables, opening: ClaimOpening, claimant: Claimant, facts: Mapping[str, Any], *, clock: Clock
) -> Claim:
    """Write the `started` row, unless another run was quicker.

    Two claims at one moment carry the same transaction number, of which Delta commits one.

    Args:
        tables: where the tables are.
        opening: the sync's runs so far.
        claimant: who claims.
        facts: source, versions and configuration for the row.
        clock: time.

    Raises:
        SyncAlreadyRunningError: another run was a moment quicker.
    """
    sync, read_at = opening.sync, opening.read_at
    lost = [
        RunEnd(run.run_id, sync, read_at, "lost", None, "the run died without an end").event()
        for run in opening.open_runs
    ]
    run_id, number = _next_run(opening.runs, read_at)
    now = clock.now()
    send_until = now + timedelta(seconds=claimant.lease_seconds)
    started = _started(sync, run_id, number, now, claimant.owner, facts) | {
        "status": "running",
        "job_attempt": claimant.job_attempt,
        "send_until": send_until,
        "claim_expires_at": claimant.expiry(now, send_until),
    }
    _append_numbered(tables, sync, number, [*lost, started])
    after = {run.run_id: run for run in claims_of(tables, sync, now)}
    for run in opening.open_runs if run_id in after and not claimant.takes_over else ():
        if _has_renewed(run, after.get(run.run_id)):
            # It was alive: each of the two has written before it looked, so that at least one sees the other
            error = "another run of the sync gave a sign of life while this one claimed it"
            end_run(tables, RunEnd(run_id, sync, clock.now(), "failed", None, error, delivery_seconds=0.0))
            raise _already_running(sync, run)
    holders = [run for run in after.values() if not run.ended]
    if not holders:
        raise SyncAlreadyRunningError(
            f"sync {sync} could not be claimed: another run was quicker, or rows of sync_runs were deleted; run again, "
            "and if it stays, give the sync another name"
        )
    if [run.run_id for run in holders] != [run_id]:
        raise _already_running(sync, holders[0])
    lost_runs = tuple(_lost(run) for run in opening.runs if not run.settled)
    return Claim(run_id, sync, lost_runs, send_until, facts, opening.closed)


def check_claim(tables: Tables, claim: Claim, wave: int | None = None) -> None:
    """Make sure that no other run has taken the sync over.

    Args:
        tables: where the tables are.
        claim: of this run.
        wave: the wave that has sent since the claim was last checked; None: nothing was sent.

    Raises:
        SyncTakenOverError: another run has.
    """
    if has_ended(tables, claim.sync, claim.run_id):
        raise SyncTakenOverError(claim.sync, wave)


def register_taken_over(tables: Tables, claim: Claim, wave: int, *, owner: str, clock: Clock) -> LostRun:
    """Write a run that stands for what a taken-over run has sent, newer than every run so far.

    What is written under its id then counts as tried after what the other run has accepted.

    Args:
        tables: where the tables are.
        claim: of the run that was taken over.
        wave: which of its waves may have sent beside the other run.
        owner: host and process.
        clock: time.

    Returns:
        the run, which has ended and is still to be settled.

    Raises:
        CioSparkError: other runs were quicker each time.
    """
    error = SyncTakenOverError(claim.sync, wave)
    for _ in range(MOST_TRIES):
        now = clock.now()
        run_id, number = _next_run(claims_of(tables, claim.sync, now), now)
        started = _started(claim.sync, run_id, number, now, owner, claim.facts) | {
            "status": "taken_over",
            "kind": RunKind.TAKEN_OVER.value,
            "taken_over_run": claim.run_id,
            "taken_over_wave": wave,
        }
        ended = RunEnd(run_id, claim.sync, now, "taken_over", ExitStatus.TAKEN_OVER, str(error)).event()
        _append_numbered(tables, claim.sync, number, [started, ended])
        for run in claims_of(tables, claim.sync, now):
            if run.run_id == run_id:
                return _lost(run)
    raise CioSparkError(f"sync {claim.sync} was taken over, and that could not be written down; run it again")


def mark_settled(tables: Tables, sync: str, run_ids: Sequence[str], clock: Clock) -> None:
    """Note that what lost runs may have sent is written down.

    Args:
        tables: where the tables are.
        sync: the sync.
        run_ids: the runs.
        clock: time.
    """
    now = clock.now()
    append_events(tables, [{"run_id": run_id, "sync": sync, "event": "settled", "at": now} for run_id in run_ids])


def _next_run(runs: Sequence[ClaimState], now: datetime) -> tuple[str, int]:
    """The id and the number of the run after these."""
    newest = runs[-1].run_id if runs else None
    return new_run_id(now, newest), max((run.run_number for run in runs), default=0) + 1


def _started(
    sync: str, run_id: str, number: int, now: datetime, owner: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    return {
        "run_id": run_id,
        "sync": sync,
        "run_number": number,
        "event": "started",
        "at": now,
        "owner": owner,
        **facts,
    }


def _has_renewed(before: ClaimState, after: ClaimState | None) -> bool:
    """Tell whether a run has renewed its claim since it was read."""
    return after is not None and after.expires_at > before.expires_at and after.send_until > before.send_until


def _append_numbered(tables: Tables, sync: str, number: int, events: Sequence[Mapping[str, Any]]) -> None:
    """Append events as the sync's transaction of that number, of which Delta commits one."""
    try:
        append_events(tables, events, app_id=f"claim-{sync}", app_version=number)
    except Exception as error:
        if not lost_the_race(error):
            raise


def _lost(run: ClaimState) -> LostRun:
    return LostRun(run.run_id, run.configuration, run.source_version, run.taken_over_run, run.taken_over_wave)


def _already_running(sync: str, run: ClaimState) -> SyncAlreadyRunningError:
    return SyncAlreadyRunningError(
        f"sync {sync} is already running since {run.started_at:%Y-%m-%d %H:%M:%S UTC} (run {run.run_id} on "
        f"{run.owner.partition('/')[0]}): wait for its end; if it died, its claim ends at "
        f"{run.expires_at:%H:%M:%S UTC}, and --take-over ends it now",
        run.run_id,
    )
