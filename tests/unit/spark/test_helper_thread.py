"""Tests that an interrupt neither cuts off a short action nor is lost."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from cio_spark.clock import SystemClock
from cio_spark.spark.helper_thread import HelperThread, run_to_the_end

SPARK: Any = SimpleNamespace(getTags=set, addTag=lambda _: None)


@pytest.fixture(autouse=True)
def _pythons_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_action_that_is_interrupted_twice_runs_to_its_end_before_the_interrupt_is_raised() -> None:
    done: list[str] = []
    pause = threading.Event()

    def act() -> None:
        for _ in range(2):
            interrupt()
            pause.wait(0.2)
        done.append("written")

    with pytest.raises(KeyboardInterrupt):
        run_to_the_end(SPARK, act, SystemClock(), "end")
    assert done == ["written"]


def test_what_an_action_raises_is_raised_to_the_caller() -> None:
    def act() -> None:
        raise RuntimeError("no permission")

    with pytest.raises(RuntimeError, match="no permission"):
        run_to_the_end(SPARK, act, SystemClock(), "end")


def test_an_action_whose_thread_cannot_be_started_never_begins() -> None:
    def refuse() -> set[str]:
        raise KeyboardInterrupt

    spark: Any = SimpleNamespace(getTags=refuse)
    done: list[str] = []
    helper = HelperThread(spark, lambda: done.append("begun"), "end")
    with pytest.raises(KeyboardInterrupt):
        helper.start()
    assert (helper.has_ended, done) == (True, [])
