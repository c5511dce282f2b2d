"""One run of a sync at a time: a run claims its sync, keeps the claim alive, and closes runs that died."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cio_spark.clock import Clock
from cio_spark.errors import SyncAlreadyRunningError
from cio_spark.results.sync_runs import ClaimState, RunEnd, append_events, claims_of
from cio_spark.results.tables import Tables, lost_the_race

CLAIM_LASTS = timedelta(minutes=15)
RENEW_EVERY_SECONDS = 300.0
RENEW_AGAIN_SECONDS = 30.0
_CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_RANDOM_BITS = 80


def new_run_id(now: datetime, newest: str | None) -> str:
    """A ULID that sorts after `newest`, even if this driver's clock is behind the one that made it.

    Args:
        now: this driver's time.
        newest: the newest run id so far.
    """
    millis = int(now.timestamp() * 1000)
    if newest is not None:
        before = 0
        for character in newest[:10]:
            before = before * 32 + _CROCKFORD.index(character)
        millis = max(millis, before + 1)
    return _ulid(millis, secrets.randbits(_RANDOM_BITS))


def smallest_run_id(since: datetime) -> str:
    """What no run id of that time or later is smaller than."""
    return _ulid(int(since.timestamp() * 1000), 0)


def _ulid(millis: int, random_bits: int) -> str:
    number = (millis << _RANDOM_BITS) | random_bits
    return "".join(_CROCKFORD[(number >> shift) & 31] for shift in range(125, -1, -5))


@dataclass(frozen=True)
class LostRun:
    """A run whose end nobody has seen.

    Attributes:
        run_id: the run.
        configuration: JSON of its configuration.
        source_version: the version of the source it had pinned; None: it was staged, or there was none.
    """

    run_id: str
    configuration: str | None
    source_version: int | None


@dataclass(frozen=True)
class Claim:
    """A sync held by this run.

    Attributes:
        run_id: this run.
        sync: the sync.
        lost: earlier runs that died, or ended without their books: to be settled by this run.
    """

    run_id: str
    sync: str
    lost: tuple[LostRun, ...]

    @property
    def lost_ids(self) -> list[str]:
        """Their run ids."""
        return [run.run_id for run in self.lost]


def claim_sync(
    tables: Tables,
    sync: str,
    *,
    clock: Clock,
    owner: str,
    owner_is_dead: Callable[[str], bool],
    facts: Callable[[ClaimState | None], dict[str, Any]],
) -> Claim:
    """Writes the `started` row, unless another run holds the sync.

    Two claims at one moment carry the same transaction number, of which Delta commits one.

    Args:
        tables: where the tables are.
        sync: the sync's name.
        clock: time.
        owner: host and process of this run.
        owner_is_dead: whether a run's owner is known to be gone; False where that cannot be known.
        facts: gives source, versions and configuration for the row, once the newest run so far (None: there is none)
            has been read: what it pins then is no older than what that run has sent.

    Raises:
        SyncAlreadyRunningError: another run holds the sync, or was a moment quicker.
    """
    runs = claims_of(tables, sync)
    now = clock.now()
    open_runs = [run for run in runs if not run.ended]
    for run in open_runs:
        if run.expires_at >= now and not owner_is_dead(run.owner):
            raise _already_running(sync, run)
    lost = [RunEnd(run.run_id, sync, now, "lost", None, "the run died without an end").event() for run in open_runs]
    run_id = new_run_id(now, runs[-1].run_id if runs else None)
    number = max((run.run_number for run in runs), default=0) + 1
    started = {
        "run_id": run_id,
        "sync": sync,
        "run_number": number,
        "event": "started",
        "at": now,
        "status": "running",
        "owner": owner,
        "claim_expires_at": now + CLAIM_LASTS,
        **facts(runs[-1] if runs else None),
    }
    try:
        append_events(tables, [*lost, started], app_id=f"claim-{sync}", app_version=number)
    except Exception as error:
        if not lost_the_race(error):
            raise
    holders = [run for run in claims_of(tables, sync) if not run.ended]
    if not holders:
        raise SyncAlreadyRunningError(
            f"sync {sync} could not be claimed: another run was quicker, or rows of sync_runs were deleted; run again, "
            "and if it stays, give the sync another name"
        )
    if [run.run_id for run in holders] != [run_id]:
        raise _already_running(sync, holders[0])
    unsettled = [run for run in runs if not run.settled]
    return Claim(run_id, sync, tuple(LostRun(run.run_id, run.configuration, run.source_version) for run in unsettled))


def mark_settled(tables: Tables, claim: Claim, clock: Clock) -> None:
    """Notes that what the claim's lost runs may have sent is written down.

    Args:
        tables: where the tables are.
        claim: of the run that settled them.
        clock: time.
    """
    now = clock.now()
    append_events(
        tables, [{"run_id": run_id, "sync": claim.sync, "event": "settled", "at": now} for run_id in claim.lost_ids]
    )


def _already_running(sync: str, run: ClaimState) -> SyncAlreadyRunningError:
    return SyncAlreadyRunningError(
        f"sync {sync} is already running since {run.started_at:%Y-%m-%d %H:%M:%S UTC} (run {run.run_id} on "
        f"{run.owner.partition('/')[0]}): wait for its end; if it died, its claim expires "
        f"{CLAIM_LASTS.seconds // 60} minutes after its last sign of life"
    )


class KeptClaim:
    """Renews a claim in the background while a run is at work; a context manager.

    Args:
        tables: where the tables are.
        claim: what to renew.
        clock: time.
    """

    def __init__(self, tables: Tables, claim: Claim, clock: Clock) -> None:
        self._tables = tables
        self._claim = claim
        self._clock = clock
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._renew, name="claim", daemon=True)

    def _renew(self) -> None:
        wait = RENEW_EVERY_SECONDS
        while not self._ended.wait(wait):
            now = self._clock.now()
            event = {
                "run_id": self._claim.run_id,
                "sync": self._claim.sync,
                "event": "renewed",
                "at": now,
                "claim_expires_at": now + CLAIM_LASTS,
            }
            try:
                append_events(self._tables, [event])
                wait = RENEW_EVERY_SECONDS
            except Exception:  # a storage hiccup must not cost the claim: soon again
                wait = RENEW_AGAIN_SECONDS

    def __enter__(self) -> KeptClaim:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()
