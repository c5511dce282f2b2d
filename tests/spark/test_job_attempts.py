"""Tests retries of a task of a Databricks job: a later try goes on where its dead predecessor has stopped.

The retry has the name of another host, as on a new cluster, so that nobody can ask whether the predecessor is alive.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sync_bench import KEY, Bench, order_rows, small_waves, staged
from sync_bench import ROWS_OF_WAVES as ROWS
from waiting import wait_until

from cio_spark.clock import FakeClock, SystemClock
from cio_spark.config import ApiKey
from cio_spark.errors import ExitStatus, SyncAlreadyRunningError
from cio_spark.model import SyncResult
from cio_spark.pipeline import run_sync
from cio_spark.results import Claimant, RunState, claim_sync, read_claims, read_history, set_up_tables
from cio_spark.runtime import owner_is_dead
from cio_spark.standin import Fault

FIRST, RETRY = "71/sync/1", "71/sync/2"
HALF = ROWS // 2
REQUEST_SECONDS = 5
SLOW: dict[str, Any] = {"batch": {"timeout_seconds": REQUEST_SECONDS}, "delivery": {"lease_seconds": 30}}


class At(FakeClock):
    """Shows one moment."""

    def __init__(self, run: RunState, seconds: float) -> None:
        super().__init__()
        self._moment = run.send_until + timedelta(seconds=seconds)

    def now(self) -> Any:
        return self._moment


@pytest.fixture
def start(orders: Bench, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Yield a function that starts the first try in a process group of its own; kill what is left at the end."""
    started: list[subprocess.Popen[bytes]] = []
    waves = small_waves(60)
    conf = orders.write_config(
        tmp_path / "orders.yml", **{name: {**waves[name], **SLOW[name]} for name in ("batch", "delivery")}
    )

    def run() -> subprocess.Popen[bytes]:
        command = [str(Path(sys.executable).with_name("cio-spark")), "sync", str(conf), "--job-attempt", FIRST]
        with (tmp_path / "log.txt").open("ab") as log:
            process = subprocess.Popen(
                [*command, "--warehouse", str(orders.warehouse)],
                env={**os.environ, "CUSTOMERIO_API_KEY": KEY},
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        started.append(process)
        return process

    yield run
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


@pytest.fixture
def _another_host(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "gethostname", lambda: "another-host")


def attempt(orders: Bench, job_attempt: str | None, **sections: Any) -> SyncResult:
    return run_sync(
        orders.config(**sections),
        spark=orders.spark,
        api_key=ApiKey(KEY),
        warehouse=orders.warehouse,
        full=True,
        job_attempt=job_attempt,
    )


def runs_of(orders: Bench) -> list[RunState]:
    return read_history(orders.tables, orders.name, SystemClock().now()).runs


def claim_and_die(orders: Bench, *, lease_seconds: float) -> RunState:
    """Claim the sync as the first try does, on a host that nobody can ask, and never end."""
    set_up_tables(orders.tables)
    clock = SystemClock()
    claimant = Claimant("gone:1", job_attempt=FIRST, lease_seconds=lease_seconds, request_seconds=600)
    facts = {"configuration": json.dumps({"batch": {"timeout_seconds": REQUEST_SECONDS}})}
    opening = read_claims(orders.tables, orders.name, claimant, clock=clock)
    claim_sync(orders.tables, opening, claimant, facts, clock=clock)
    (run,) = runs_of(orders)
    return run


@pytest.mark.parametrize("who", [FIRST, "71/sync/0", "71/other/2", "72/sync/2", "71/sync/x", None])
def test_no_other_try_takes_over_while_the_claim_stands(orders: Bench, who: str | None) -> None:
    dead = claim_and_die(orders, lease_seconds=180)
    for seconds in (-1, 1, 599):
        with pytest.raises(SyncAlreadyRunningError) as caught:
            read_claims(orders.tables, orders.name, Claimant("another:1", job_attempt=who), clock=At(dead, seconds))
        assert caught.value.free_at is None  # so it is not waited for


def last_request_ends(dead: RunState) -> datetime:
    return dead.send_until + timedelta(seconds=REQUEST_SECONDS)


def test_a_later_try_knows_when_it_may_take_over_and_then_does(orders: Bench) -> None:
    dead = claim_and_die(orders, lease_seconds=180)
    retry = Claimant("another:1", job_attempt=RETRY)
    with pytest.raises(SyncAlreadyRunningError) as caught:
        read_claims(orders.tables, orders.name, retry, clock=At(dead, REQUEST_SECONDS - 1))
    assert caught.value.free_at == last_request_ends(dead)
    opening = read_claims(orders.tables, orders.name, retry, clock=At(dead, REQUEST_SECONDS + 1))
    assert [run.run_id for run in opening.closed] == [dead.run_id]


@pytest.mark.usefixtures("_another_host")
def test_a_retry_waits_for_the_end_of_its_predecessors_last_request_and_no_longer(orders: Bench) -> None:
    orders.write_sql(order_rows(30))
    dead = claim_and_die(orders, lease_seconds=12)
    with pytest.raises(SyncAlreadyRunningError):
        attempt(orders, FIRST)

    result = attempt(orders, RETRY)

    assert (result.exit_status, result.books.balanced, result.books.delivery.accepted) == (ExitStatus.SUCCESS, True, 30)
    lost, retry = runs_of(orders)
    assert (lost.run_id, lost.status) == (dead.run_id, "lost")
    assert last_request_ends(dead) <= retry.started_at < dead.expires_at
    assert orders.api.received.duplicates() == {}


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.usefixtures("_another_host")
@pytest.mark.parametrize("end", ["killed", "asked to stop, and killed in its grace time"])
def test_a_retry_of_a_killed_task_goes_on_from_its_last_wave_while_the_claim_still_stands(
    orders: Bench, start: Callable[[], subprocess.Popen[bytes]], end: str
) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    orders.api.script(Fault(latency_seconds=0.2))
    driver = start()

    def wait_for(messages: int) -> None:
        wait_until(lambda: orders.api.received.count() >= messages or driver.poll() is not None, 300, "half is sent")
        assert driver.poll() is None

    wait_for(HALF)
    if end != "killed":
        os.kill(driver.pid, signal.SIGTERM)
        wait_for(HALF + 10)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    orders.api.clear_faults()
    set_up_tables(orders.tables)  # the other process made the tables known to its own session only
    (dead,) = runs_of(orders)
    assert (dead.ended, dead.job_attempt, owner_is_dead(dead.owner)) == (False, FIRST, False)
    with pytest.raises(SyncAlreadyRunningError):
        attempt(orders, FIRST)

    result = attempt(orders, RETRY, **small_waves(60))

    assert (result.exit_status, result.books.balanced) == (ExitStatus.SUCCESS, True)
    lost, retry = runs_of(orders)
    assert (lost.status, retry.status, retry.job_attempt) == ("lost", "succeeded", RETRY)
    assert last_request_ends(dead) <= retry.started_at
    # What the first try had committed is not sent again; its last wave is, under the same ids and no others
    committed = result.books.survey.unchanged
    assert committed + result.books.delivery.accepted == ROWS
    ids = orders.api.received.message_ids()
    assert len(set(ids)) == ROWS
    assert set(orders.api.received.duplicates().values()) <= {2}
    assert 0 <= len(ids) - ROWS <= ROWS - committed
    assert staged(orders) == []
    assert attempt(orders, "72/sync/1").books.delivery.persisted == 0
