"""Tests that a stand-in in a process of its own serves, answers, and never outlives the process that started it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
import requests
from standin_client import event
from waiting import wait_until

from cio_spark.standin import Fault
from cio_spark.standin.process import StandInProcess


def send(url: str, *messages: object) -> int:
    return requests.post(f"{url}/batch", json={"batch": messages}, auth=("standin-key", ""), timeout=10).status_code


def listens(url: str) -> bool:
    address = urlsplit(url)
    try:
        socket.create_connection((address.hostname or "", address.port or 0), timeout=10).close()
    except OSError:
        return False
    return True


def test_it_serves_in_another_process_and_ends_with_the_block() -> None:
    with StandInProcess() as api:
        url = api.url
        assert send(url, event(1), event(1), event(2)) == 200
        summary = api.summary()
        assert (summary["messages"], summary["duplicated_message_ids"], summary["requests"]) == (3, 1, 1)

        api.clear()
        assert api.summary()["messages"] == 0

    assert not listens(url)


def test_faults_reach_the_process() -> None:
    with StandInProcess() as api:
        api.script(Fault(status=503, times=1), Fault(poison=frozenset({"id-2"})))

        assert send(api.url, event(1)) == 503
        assert send(api.url, event(1), event(2)) == 200
        assert (api.summary()["messages"], api.summary()["dropped"]) == (1, 1)


PARENT = """
import signal, sys
from cio_spark.standin.process import StandInProcess
signal.signal(signal.SIGINT, lambda *_: None)
with StandInProcess() as api:
    sys.stdout.write(api.url + chr(10))
    sys.stdout.flush()
    sys.stdin.read()
"""


@pytest.fixture
def parent() -> Iterator[subprocess.Popen[str]]:
    """Start a process that starts a stand-in, prints its address, and goes on after a Ctrl-C."""
    command = [sys.executable, "-c", PARENT]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as running:
        yield running
        running.kill()


def address_of_stand_in(parent: subprocess.Popen[str]) -> str:
    assert parent.stdout is not None
    return parent.stdout.readline().strip()


def test_it_ends_when_its_parent_is_killed(parent: subprocess.Popen[str]) -> None:
    url = address_of_stand_in(parent)
    assert listens(url)

    parent.kill()

    wait_until(lambda: not listens(url), 20, "the stand-in's process has ended")


def test_the_ctrl_c_that_asks_its_parent_to_finish_does_not_end_it(parent: subprocess.Popen[str]) -> None:
    url = address_of_stand_in(parent)

    os.killpg(parent.pid, signal.SIGINT)

    # A process that got the signal would end while these are sent
    assert {send(url, event(number)) for number in range(200)} == {200}


def test_a_process_that_cannot_start_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/bin/false")

    with pytest.raises(RuntimeError, match="did not start"), StandInProcess():
        pass
