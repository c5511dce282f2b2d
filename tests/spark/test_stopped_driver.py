"""Tests a real process whose delivery occupies every task slot, with a slow API.

The process is stopped until its claim has ended, and then continued.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F
from sync_bench import KEY, Bench, claim_by_hand, wait_for_messages

from cio_spark.clock import SystemClock
from cio_spark.errors import ExitStatus, SyncAlreadyRunningError
from cio_spark.model import SyncResult
from cio_spark.results import set_up_tables
from cio_spark.standin import Fault

PERSONS = 80
LEASE_SECONDS = 5
# There are as many workers as slots, and a request carries one person. The wave is planned for 10 s, so that it may
# send for 25 s; it would take 80 s
SLOW: dict[str, Any] = {
    "batch": {"max_batch_size": 1, "parallel_workers": 2, "timeout_seconds": 5, "rate_limit_rps": 1000},
    "delivery": {"lease_seconds": LEASE_SECONDS},
}
# The same sync with the default lease: on a busy machine a wave may need more than 5 s to start
QUICK: dict[str, Any] = {"batch": {**SLOW["batch"], "max_batch_size": 1000}}


@pytest.fixture
def start(people: Bench, tmp_path: Path) -> Iterator[Callable[[], subprocess.Popen[bytes]]]:
    """Yield a function that starts the sync in a process group of its own; kill what is left at the end."""
    started: list[subprocess.Popen[bytes]] = []

    def run() -> subprocess.Popen[bytes]:
        conf = people.write_config(tmp_path / "people.yml", **SLOW)
        command = [str(Path(sys.executable).with_name("cio-spark")), "sync", str(conf)]
        with (tmp_path / "log.txt").open("ab") as log:
            started.append(
                subprocess.Popen(
                    [*command, "--warehouse", str(people.warehouse)],
                    env={**os.environ, "CUSTOMERIO_API_KEY": KEY},
                    stdout=log,
                    stderr=log,
                    start_new_session=True,
                )
            )
        return started[-1]

    yield run
    for process in started:
        if process.poll() is None:
            signal_session(process.pid, signal.SIGKILL)
            process.wait()


def signal_session(leader: int, number: int) -> None:
    """Sends a signal to every process of a session: Python workers have a process group of their own."""
    for status in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The fields behind the name in brackets: state, parent, process group, session
            session = int(status.read_text().rpartition(")")[2].split()[3])
            if session == leader:
                os.kill(int(status.parent.name), number)


def write(people: Bench, plan: str) -> None:
    people.write_sql(f"SELECT concat('p', id) AS id, '{plan}' AS plan FROM range({PERSONS})")


def run_once_it_may(people: Bench) -> SyncResult:
    """Run the sync until a run is not refused, and return the result of that run."""
    clock = SystemClock()
    until = clock.monotonic() + 120
    while True:
        try:
            return people.run(**QUICK)
        except SyncAlreadyRunningError:
            assert clock.monotonic() < until
            clock.sleep(2.0)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_run_that_holds_every_slot_keeps_its_sync_and_one_stopped_past_its_claim_sends_nothing_old_over_new(
    people: Bench, start: Callable[[], subprocess.Popen[bytes]], tmp_path: Path
) -> None:
    write(people, "old")
    set_up_tables(people.tables)
    people.api.script(Fault(latency_seconds=2.0))
    stopped = start()
    clock = SystemClock()
    wait_for_messages(people.api, 2, lambda: None if stopped.poll() is None else pytest.fail("it has ended"))
    began = clock.monotonic()
    # Wait longer than the lease: within a wave no claim is renewed, and none has to be
    clock.sleep(max(0.0, 1.2 * LEASE_SECONDS - (clock.monotonic() - began)))
    with pytest.raises(SyncAlreadyRunningError):
        claim_by_hand(people.tables, people.name, "elsewhere:1", clock)
    signal_session(stopped.pid, signal.SIGSTOP)
    people.api.clear_faults()
    sent_before = people.api.received.count()
    write(people, "new")

    other = run_once_it_may(people)
    signal_session(stopped.pid, signal.SIGCONT)

    assert stopped.wait(120) == ExitStatus.TAKEN_OVER
    assert "was taken over by another run" in (tmp_path / "log.txt").read_text()
    assert (other.exit_status, other.books.delivery.accepted) == (ExitStatus.SUCCESS, PERSONS)
    # A request that was under way when everything stopped may end late; no new one is started
    late = people.api.received.count() - sent_before - PERSONS
    assert 0 <= late <= 2
    last = people.run(**QUICK)
    assert last.exit_status is ExitStatus.SUCCESS
    for person in range(PERSONS):
        plans = [message["payload"]["traits"]["plan"] for message in people.api.received.by_person(f"p{person}")]
        assert plans[-1] == "new"
    states = people.tables.read("sync_run_state").where(F.col("sync") == people.name).orderBy("run_id").collect()
    assert [row["status"] for row in states] == ["taken_over", "succeeded", "taken_over", "succeeded"]
    assert people.run(**QUICK).books.delivery.persisted == 0


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_sync_of_a_killed_driver_that_nobody_has_waited_for_is_taken_over_at_once(
    people: Bench, start: Callable[[], subprocess.Popen[bytes]]
) -> None:
    write(people, "old")
    people.api.script(Fault(latency_seconds=2.0))
    killed = start()
    wait_for_messages(people.api, 2, lambda: None if killed.poll() is None else pytest.fail("it has ended"))
    os.killpg(killed.pid, signal.SIGKILL)  # a zombie until the fixture waits for it
    os.waitid(os.P_PID, killed.pid, os.WEXITED | os.WNOWAIT)
    people.api.clear_faults()

    result = people.run(**QUICK)

    assert (result.exit_status, result.books.delivery.accepted) == (ExitStatus.SUCCESS, PERSONS)
    assert set(people.api.received.duplicates().values()) <= {2}
