"""Tests that the owner of a claim is called dead only if that is certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from cio_spark import runtime
from cio_spark.runtime import process

linux_only = pytest.mark.skipif(not Path("/proc/self/ns/pid").exists(), reason="needs Linux's /proc")


def owner_of(pid: int) -> str:
    host, _, rest = runtime.owner().partition(":")
    place = rest.partition("/")[2].rpartition("-")[0]
    return f"{host}:{pid}/{place}-{process._started(pid)}"


def test_this_process_is_not_dead() -> None:
    assert not runtime.owner_is_dead(runtime.owner())


@linux_only
def test_a_process_that_is_gone_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = owner_of(child.pid)
    assert not runtime.owner_is_dead(name)
    child.communicate(b"\n")
    assert runtime.owner_is_dead(name)


@linux_only
def test_a_process_that_was_killed_and_not_yet_waited_for_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    name = owner_of(child.pid)
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)  # it has ended, and stays a zombie
    assert runtime.owner_is_dead(name)
    child.communicate()


@linux_only
def test_a_stopped_process_is_not_dead() -> None:
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as child:
        child.send_signal(signal.SIGSTOP)
        os.waitid(os.P_PID, child.pid, os.WSTOPPED | os.WNOWAIT)
        assert not runtime.owner_is_dead(owner_of(child.pid))
        child.kill()


@linux_only
def test_another_process_under_the_same_number_does_not_keep_an_owner_alive() -> None:
    name = owner_of(os.getpid())
    assert runtime.owner_is_dead(name.rpartition("-")[0] + "-1")


@linux_only
@pytest.mark.parametrize("changed", [0, 1], ids=["another boot or machine", "another container"])
def test_where_a_process_number_means_nothing_here_the_owner_is_not_called_dead(changed: int) -> None:
    address, _, unique = runtime.owner().partition("/")
    boot, _, namespace = unique.rpartition("-")[0].rpartition("-")
    place = [boot, namespace]
    place[changed] = "1" + place[changed]
    assert not runtime.owner_is_dead(f"{address}/{place[0]}-{place[1]}-1")


@pytest.mark.parametrize("name", ["", "elsewhere:1/x-1-1", "nonsense", f"{'x' * 300}:1"])
def test_what_is_not_of_this_machine_is_not_called_dead(name: str) -> None:
    assert not runtime.owner_is_dead(name)
