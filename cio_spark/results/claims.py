"""Allows one run of a sync at a time: a run claims its sync, and closes dead runs (docs/decisions/0018-lease.md)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from cio_spark.clock import Clock
from cio_spark.errors import CioSparkError, ExitStatus, SyncAlreadyRunningError, SyncTakenOverError
from cio_spark.ids import new_run_id
from cio_spark.model import RunKind
from cio_spark.results.claimant import Claimant, TakeOverReason
from cio_spark.results.run_states import RunState
from cio_spark.results.sync_runs import MOST_TRIES, RunEnd, RunHistory, append_events, end_run, has_ended, read_history
from cio_spark.results.tables import Tables, lost_the_race
from cio_spark.spark.delta_table import known_version


@dataclass(frozen=True)
class LostRun:
    """Describes a run that must be recovered: it died, it ended without books, or another run took it over.

    Attributes:
        run_id: id of the run.
        configuration: JSON of its configuration.
        source_version: version of the source that it had pinned; None if the source was staged or has no versions.
        taken_over_run: id of the taken-over run that this run stands for, and that has sent beside a later run; None if
            the run stands for itself.
        taken_over_wave: number of the wave that the taken-over run has sent.
    """

    run_id: str
    configuration: str | None
    source_version: int | None
    taken_over_run: str | None = None
    taken_over_wave: int | None = None


@dataclass(frozen=True)
class ClosedRun:
    """Describes a run that is closed as `lost` by the commit with which another run claims its sync.

    Attributes:
        run_id: id of the run.
        reason: why it counts as ended.
        started_at: when it claimed the sync.
        expires_at: when its claim ends or has ended.
    """

    run_id: str
    reason: TakeOverReason
    started_at: datetime
    expires_at: datetime


@dataclass(frozen=True)
class Claim:
    """Describes the claim of this run on its sync.

    Attributes:
        run_id: id of this run.
        sync: the sync.
        lost: earlier runs that died or ended without books; this run must recover them.
        send_until: when this run stops sending, unless it announces another time.
        facts: facts that it has written about itself: source, versions, configuration.
        closed: runs that it has closed.
        history: the runs of the sync, with this one.
        is_claimed: False for a run that has nothing to look at, and so claims nothing.
    """

    run_id: str
    sync: str
    lost: tuple[LostRun, ...]
    send_until: datetime
    facts: Mapping[str, Any] = field(default_factory=dict)
    closed: tuple[ClosedRun, ...] = ()
    history: RunHistory = field(default_factory=lambda: RunHistory([]))
    is_claimed: bool = True

    @property
    def lost_ids(self) -> list[str]:
        """Return the ids of the runs in `lost`."""
        return [run.run_id for run in self.lost]


@dataclass(frozen=True)
class ClaimOpening:
    """Describes the runs of a sync that a new run may claim: none of them has a valid claim.

    Attributes:
        sync: the sync.
        history: its runs.
        closed: the runs that have no end but count as ended; claiming the sync closes them.
        read_at: when the runs were read.
    """

    sync: str
    history: RunHistory
    closed: tuple[ClosedRun, ...]
    read_at: datetime

    @property
    def newest(self) -> RunState | None:
        """Return the newest run; see `RunHistory.newest`."""
        return self.history.newest


def read_claims(tables: Tables, sync: str, claimant: Claimant, *, clock: Clock) -> ClaimOpening:
    """Read the runs of a sync, and make sure that none of them has a valid claim.

    A source that the new run pins after this call is no older than what those runs have sent.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        claimant: the process that is going to claim the sync.
        clock: tells the time.

    Raises:
        SyncAlreadyRunningError: another run has a valid claim.
    """
    now = clock.now()
    history = read_history(tables, sync, now)
    closed = []
    for run in history.runs:
        if run.ended:
            continue
        reason = claimant.reason_to_take_over(run, now)
        if reason is None:
            raise _already_running(sync, run, claimant.free_at(run))
        closed.append(ClosedRun(run.run_id, reason, run.started_at, run.expires_at))
    return ClaimOpening(sync, history, tuple(closed), now)


class RunIdentity(NamedTuple):
    """Names a run.

    Attributes:
        run_id: id of the run.
        number: number of the run among the runs of its sync.
    """

    run_id: str
    number: int


def name_run(opening: ClaimOpening) -> RunIdentity:
    """Return the name of the run that claims a sync, before it does: so an interrupted claim can be found.

    Args:
        opening: the sync's runs so far.
    """
    return RunIdentity(*_next_run(opening.history.runs, opening.read_at))


def claim_sync(
    tables: Tables,
    opening: ClaimOpening,
    claimant: Claimant,
    facts: Mapping[str, Any],
    *,
    clock: Clock,
    identity: RunIdentity | None = None,
) -> Claim:
    """Claim a sync by writing the `started` row of a new run, unless another run was faster.

    The same commit ends the open runs as `lost`. Two claims at the same moment use the same transaction number, of
    which Delta commits only one.

    Args:
        tables: where the tables are.
        opening: the sync's runs so far.
        claimant: the process that claims.
        facts: source, versions and configuration for the row.
        clock: tells the time.
        identity: name of the new run; None for the next one.

    Raises:
        SyncAlreadyRunningError: another run was faster, or an open run has just renewed its claim, or rows of
            `sync_runs` were deleted.
    """
    sync, read_at, before = opening.sync, opening.read_at, opening.history.runs
    open_runs = [run for run in before if not run.ended]
    lost = [RunEnd(run.run_id, sync, read_at, "lost", None, "the run died without an end").event() for run in open_runs]
    run_id, number = identity or name_run(opening)
    now = clock.now()
    send_until = now + timedelta(seconds=claimant.lease_seconds)
    started = _started(sync, run_id, number, now, claimant.owner, facts) | {
        "status": "running",
        "job_attempt": claimant.job_attempt,
        "send_until": send_until,
        "claim_expires_at": claimant.expiry(now, send_until),
    }
    _append_numbered(tables, sync, number, [*lost, started])
    history = read_history(tables, sync, now)
    after = {run.run_id: run for run in history.runs}
    for run in open_runs if run_id in after and not claimant.takes_over else ():
        if _has_renewed(run, after.get(run.run_id)):
            # The other run is alive: each of the two wrote before it read, so that at least one sees the other
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
    lost_runs = tuple(_lost(run) for run in before if not run.settled)
    return Claim(run_id, sync, lost_runs, send_until, facts, opening.closed, history)


def find_claim(tables: Tables, sync: str, run_id: str, facts: Mapping[str, Any], *, clock: Clock) -> Claim | None:
    """Find the claim of a run that was interrupted while it claimed its sync.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        run_id: id of the run.
        facts: source, versions and configuration that the run has written, or was about to write.
        clock: tells the time.

    Returns:
        The claim, which must be ended; None if it was not written, or has an end.
    """
    history = read_history(tables, sync, clock.now())
    mine = next((run for run in history.runs if run.run_id == run_id), None)
    return None if mine is None or mine.ended else Claim(run_id, sync, (), mine.send_until, facts, (), history)


def identify_run(opening: ClaimOpening, facts: Mapping[str, Any]) -> Claim:
    """Return the identity of a run that has nothing to look at: it claims nothing, and recovers nothing.

    Args:
        opening: the sync's runs so far.
        facts: source, versions and configuration, which it writes into its only row.
    """
    run_id, number = _next_run(opening.history.runs, opening.read_at)
    # The number of the newest claim: it must survive where only this row is left of the history
    numbered = {**facts, "run_number": number - 1}
    return Claim(run_id, opening.sync, (), opening.read_at, numbered, (), opening.history, is_claimed=False)


def check_claim(tables: Tables, claim: Claim, wave: int | None = None, since: int | None = None) -> int | None:
    """Make sure that no other run has taken the sync over.

    Args:
        tables: where the tables are.
        claim: claim of this run.
        wave: number of the wave that has sent since the claim was last checked; None if nothing was sent.
        since: version of `sync_runs` at which no other run had; the table is not read if it still has this version.

    Returns:
        The version of `sync_runs` at which no other run has taken the sync over; None if it is not known.

    Raises:
        SyncTakenOverError: another run has taken the sync over.
    """
    version = known_version(tables.spark, tables.name("sync_runs"))
    if (version is None or version != since) and has_ended(tables, claim.sync, claim.run_id):
        raise SyncTakenOverError(claim.sync, wave)
    return version


def register_taken_over(tables: Tables, claim: Claim, wave: int, *, owner: str, clock: Clock) -> LostRun:
    """Register a run that stands for what a taken-over run has sent, with an id newer than that of every other run.

    Rows that are written under this id then count as tried after all that the other run has accepted.

    Args:
        tables: where the tables are.
        claim: claim of the run that was taken over.
        wave: number of its wave that may have sent beside the other run.
        owner: host and process.
        clock: tells the time.

    Returns:
        The registered run, which has ended and must still be recovered.

    Raises:
        CioSparkError: other runs were faster at every try.
    """
    error = SyncTakenOverError(claim.sync, wave)
    for _ in range(MOST_TRIES):
        now = clock.now()
        run_id, number = _next_run(read_history(tables, claim.sync, now).runs, now)
        started = _started(claim.sync, run_id, number, now, owner, claim.facts) | {
            "status": "taken_over",
            "kind": RunKind.TAKEN_OVER.value,
            "taken_over_run": claim.run_id,
            "taken_over_wave": wave,
        }
        ended = RunEnd(run_id, claim.sync, now, "taken_over", ExitStatus.TAKEN_OVER, str(error)).event()
        _append_numbered(tables, claim.sync, number, [started, ended])
        for run in read_history(tables, claim.sync, now).runs:
            if run.run_id == run_id:
                return _lost(run)
    raise CioSparkError(f"sync {claim.sync} was taken over, and that could not be written down; run it again")


def _next_run(runs: Sequence[RunState], now: datetime) -> tuple[str, int]:
    """Return the id and the number of the run after these runs."""
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


def _has_renewed(before: RunState, after: RunState | None) -> bool:
    """Tell whether a run has renewed its claim since it was read as `before`."""
    return after is not None and after.expires_at > before.expires_at and after.send_until > before.send_until


def _append_numbered(tables: Tables, sync: str, number: int, events: Sequence[Mapping[str, Any]]) -> None:
    """Append events as the sync's transaction of that number, unless Delta already has a transaction of that number."""
    try:
        append_events(tables, events, app_id=f"claim-{sync}", app_version=number)
    except Exception as error:
        if not lost_the_race(error):
            raise


def _lost(run: RunState) -> LostRun:
    return LostRun(run.run_id, run.configuration, run.source_version, run.taken_over_run, run.taken_over_wave)


def _already_running(sync: str, run: RunState, free_at: datetime | None = None) -> SyncAlreadyRunningError:
    return SyncAlreadyRunningError(
        f"sync {sync} is already running since {run.started_at:%Y-%m-%d %H:%M:%S UTC} (run {run.run_id} on "
        f"{run.owner.partition('/')[0]}): wait for its end; if it died, its claim ends at "
        f"{run.expires_at:%H:%M:%S UTC}, and --take-over ends it now",
        run.run_id,
        free_at,
    )
