"""Tests claims of one sync on real tables.

One of two claims made at the same moment wins. A claim lasts as long as its run gives signs of life.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from sync_bench import Bench, claim_by_hand

from cio_spark.clock import SystemClock
from cio_spark.errors import SyncAlreadyRunningError, SyncTakenOverError
from cio_spark.ids import new_run_id
from cio_spark.pipeline.run_lease import RunLease
from cio_spark.results import (
    Claim,
    Claimant,
    RunEnd,
    RunState,
    claims,
    end_run,
    register_taken_over,
    set_up_tables,
    sync_runs,
)
from cio_spark.results.sync_runs import append_events


class Later(SystemClock):
    """Shows the time so many minutes from now."""

    def __init__(self, minutes: float) -> None:
        self._ahead = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return super().now() + self._ahead


@pytest.fixture
def sync(people: Bench) -> Bench:
    set_up_tables(people.tables)
    return people


def claim(sync: Bench, owner: str = "elsewhere:1", minutes: float = 0.0) -> Claim:
    """Claim the sync for an owner that nobody knows to be dead."""
    return claim_by_hand(sync.tables, sync.name, owner, Later(minutes))


def claims_of(sync: Bench) -> list[RunState]:
    return sync_runs.read_history(sync.tables, sync.name, SystemClock().now()).runs


def race(sync: Bench) -> tuple[list[Claim], list[SyncAlreadyRunningError]]:
    won: list[Claim] = []
    refused: list[SyncAlreadyRunningError] = []
    start = threading.Barrier(2)

    def run(owner: str) -> None:
        start.wait(60)
        try:
            won.append(claim(sync, owner))
        except SyncAlreadyRunningError as error:
            refused.append(error)

    threads = [threading.Thread(target=run, args=(f"machine-{number}:1",)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return won, refused


def both_look_before_either_writes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make both runs find the sync free before either writes its claim, which is the worst moment."""
    looked = threading.Barrier(2)

    def meet_and_append(*arguments: Any, **options: Any) -> None:
        looked.wait(60)
        append_events(*arguments, **options)

    monkeypatch.setattr(claims, "append_events", meet_and_append)


@pytest.mark.parametrize("moment", ["as it comes", "the worst one"])
def test_of_two_claims_at_one_moment_exactly_one_wins_each_time(
    sync: Bench, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    if moment == "the worst one":
        both_look_before_either_writes(monkeypatch)
    for number in (1, 2):
        won, refused = race(sync)

        assert (len(won), len(refused)) == (1, 1)
        (open_run,) = [run for run in claims_of(sync) if not run.ended]
        assert (open_run.run_id, open_run.run_number) == (won[0].run_id, number)
        assert open_run.owner in str(refused[0])
        assert won[0].run_id in str(refused[0])
        end_run(sync.tables, RunEnd(won[0].run_id, sync.name, SystemClock().now(), "succeeded", None, None))


def test_a_claim_ends_three_minutes_after_its_last_sign_of_life_and_a_renewed_one_lives_longer(sync: Bench) -> None:
    first = claim(sync)
    with pytest.raises(SyncAlreadyRunningError, match=r"already running since .* on elsewhere:1.*--take-over"):
        claim(sync, minutes=2)

    second = claim(sync, minutes=4)

    assert second.lost_ids == [first.run_id]
    assert [(run.run_id, run.ended) for run in claims_of(sync)] == [(first.run_id, True), (second.run_id, False)]
    with RunLease(sync.tables, second, Claimant("elsewhere:1", lease_seconds=0.03), SystemClock()):
        deadline = SystemClock().monotonic() + 60
        while claims_of(sync)[-1].last_event_at == claims_of(sync)[0].last_event_at:
            assert SystemClock().monotonic() < deadline, "the claim was not renewed"


def test_a_wave_extends_its_claim_to_one_request_after_the_end_of_its_sending(sync: Bench) -> None:
    claimant = Claimant("elsewhere:1", request_seconds=30)
    lease = RunLease(sync.tables, claim(sync), claimant, SystemClock())
    with lease.sending(planned_seconds=100) as send_until:
        assert timedelta(seconds=290) < send_until - SystemClock().now() <= timedelta(seconds=300)
    (state,) = claims_of(sync)
    assert state.expires_at - state.send_until == timedelta(seconds=30)
    with pytest.raises(SyncAlreadyRunningError):
        claim(sync, minutes=5)
    assert claim(sync, minutes=7).lost_ids == [state.run_id]


def test_a_claim_is_as_old_as_its_commit_whatever_the_clock_of_its_owner_says(sync: Bench) -> None:
    claim(sync, minutes=-60)  # an owner whose clock is an hour slow
    with pytest.raises(SyncAlreadyRunningError):
        claim(sync, minutes=2)


def test_claims_read_the_newest_runs_once_one_of_them_has_settled_what_was_before(
    sync: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sync_runs, "FEW_COMMITS", 0)
    monkeypatch.setattr(sync_runs, "ENOUGH_RUNS", 1)
    old = claim(sync, minutes=-60 * 24 * 30)
    end_run(sync.tables, RunEnd(old.run_id, sync.name, SystemClock().now(), "failed", None, None))
    # No run is newer, so this one may still have to be recovered
    assert [run.run_id for run in claims_of(sync)] == [old.run_id]
    new = claim(sync)
    assert new.lost_ids == [old.run_id]
    well = RunEnd(new.run_id, sync.name, SystemClock().now(), "succeeded", None, None, None, 1.0, ledger_version=1)
    end_run(sync.tables, well)
    assert [run.run_id for run in claims_of(sync)] == [new.run_id]
    assert [run.run_number for run in claims_of(sync)] == [2]


def test_of_a_run_that_renews_and_one_that_takes_over_at_one_moment_one_stands_back(
    sync: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = claim(sync)
    lease = RunLease(sync.tables, first, Claimant("elsewhere:1"), SystemClock())

    def renew_and_append(*arguments: Any, **options: Any) -> None:
        monkeypatch.setattr(claims, "append_events", append_events)
        with lease.sending(planned_seconds=100):
            append_events(*arguments, **options)

    monkeypatch.setattr(claims, "append_events", renew_and_append)
    with pytest.raises(SyncAlreadyRunningError):
        claim(sync, minutes=4)
    with pytest.raises(SyncTakenOverError), lease.sending(planned_seconds=200):
        pytest.fail("it must not send")


def test_maintenance_does_not_revive_the_claim_of_a_run_that_is_long_dead(sync: Bench) -> None:
    now = SystemClock().now()
    long_ago = now - timedelta(hours=5)
    dead = {"run_id": new_run_id(long_ago, None), "sync": sync.name, "run_number": 1, "at": long_ago, "owner": "gone:1"}
    lease = {"claim_expires_at": long_ago + timedelta(minutes=15), "send_until": long_ago + timedelta(minutes=10)}
    append_events(
        sync.tables, [{**dead, **lease, "event": "started"}]
    )  # its file is as new as a file that maintenance has rewritten
    assert claim(sync).lost_ids == [dead["run_id"]]


def test_the_newest_run_is_none_that_only_stands_for_another(sync: Bench) -> None:
    first = claim(sync)
    second = claim(sync, minutes=4)
    register_taken_over(sync.tables, first, 0, owner="elsewhere:1", clock=SystemClock())
    newest = sync_runs.read_history(sync.tables, sync.name, SystemClock().now()).newest
    assert newest is not None
    assert newest.run_id == second.run_id
