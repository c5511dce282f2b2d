"""Two claims of one sync at one moment, on real tables: one wins, and the other is told who did."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from tests_support import Bench

from cio_spark.clock import SystemClock
from cio_spark.errors import SyncAlreadyRunningError
from cio_spark.results import Claim, KeptClaim, RunEnd, claim_sync, claims, end_run, set_up_tables
from cio_spark.results.sync_runs import append_events, claims_of


class Later(SystemClock):
    """The time so many minutes from now."""

    def __init__(self, minutes: float) -> None:
        self._ahead = timedelta(minutes=minutes)

    def now(self) -> datetime:
        return super().now() + self._ahead


@pytest.fixture
def sync(people: Bench) -> Bench:
    set_up_tables(people.tables)
    return people


def claim(sync: Bench, owner: str = "elsewhere:1", minutes: float = 0.0) -> Claim:
    """A claim by an owner that nobody knows to be dead."""
    return claim_sync(
        sync.tables, sync.name, clock=Later(minutes), owner=owner, owner_is_dead=lambda _: False, facts=lambda _: {}
    )


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
    """The worst moment: each has found the sync free when the other one writes its claim."""
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
        (open_run,) = [run for run in claims_of(sync.tables, sync.name) if not run.ended]
        assert (open_run.run_id, open_run.run_number) == (won[0].run_id, number)
        assert open_run.owner in str(refused[0])
        assert won[0].run_id in str(refused[0])
        end_run(sync.tables, RunEnd(won[0].run_id, sync.name, SystemClock().now(), "succeeded", None, None))


def test_a_live_claim_stands_a_stale_one_expires_and_a_renewed_one_lives_longer(
    sync: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = claim(sync)
    with pytest.raises(SyncAlreadyRunningError, match=r"already running since .* on elsewhere:1"):
        claim(sync, minutes=14)

    second = claim(sync, minutes=16)

    assert second.lost_ids == [first.run_id]
    assert [(run.run_id, run.ended) for run in claims_of(sync.tables, sync.name)] == [
        (first.run_id, True),
        (second.run_id, False),
    ]
    monkeypatch.setattr(claims, "RENEW_EVERY_SECONDS", 0.01)
    expiry = claims_of(sync.tables, sync.name)[-1].expires_at
    with KeptClaim(sync.tables, second, Later(26)):
        deadline = SystemClock().monotonic() + 60
        while claims_of(sync.tables, sync.name)[-1].expires_at == expiry:
            assert SystemClock().monotonic() < deadline, "the claim was not renewed"
    with pytest.raises(SyncAlreadyRunningError):
        claim(sync, minutes=40)
    assert claim(sync, minutes=43).lost_ids == [first.run_id, second.run_id]
