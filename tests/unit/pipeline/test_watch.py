"""Tests that an interrupted or failed delivery is cancelled until it has ended, as on Spark Connect."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from cio_spark.clock import Clock, FakeClock, SystemClock
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.pipeline.watch import DeliveryWatch
from cio_spark.spark.failures import explain_failure
from cio_spark.spark.helper_thread import PATIENCE_SECONDS

CANCELLED = "[SPARK_JOB_CANCELLED] Job 5 cancelled part of cancelled job group r1-w0-1"


class Session:
    """Imitates a session: cancelling it does what a test says; tags belong to a thread, as on Spark Connect."""

    def __init__(self, cancel: Callable[[int], None] = lambda _: None) -> None:
        self._cancel = cancel
        self._tags = threading.local()
        self.cancellations = 0

    def getTags(self) -> set[str]:  # noqa: N802  Spark's name
        return set(getattr(self._tags, "tags", ()))

    def addTag(self, tag: str) -> None:  # noqa: N802  Spark's name
        self._tags.tags = {*self.getTags(), tag}

    def removeTag(self, tag: str) -> None:  # noqa: N802  Spark's name
        self._tags.tags = self.getTags() - {tag}

    def interruptTag(self, tag: str) -> None:  # noqa: N802  Spark's name
        assert tag == "r1-w0-1"
        self.cancellations += 1
        self._cancel(self.cancellations)


def watch(session: Session, clock: Clock | None = None) -> DeliveryWatch:
    spark: Any = session
    return DeliveryWatch(spark, "r1-w0-1", 2, lambda *_: None, lambda: False, clock=clock or SystemClock())


@contextmanager
def pythons_own_handler() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_a_delivery_runs_under_the_tag_of_its_callers_thread_which_loses_it_afterwards() -> None:
    session, seen = Session(), list[set[str]]()
    watch(session).run(lambda: seen.append(session.getTags()))
    assert (seen, session.getTags(), session.cancellations) == ([{"r1-w0-1"}], set(), 0)


def test_a_delivery_that_is_interrupted_between_its_jobs_is_cancelled_until_it_has_ended() -> None:
    # The first cancellation finds no job, as before the first task; the job that starts then must not send
    job_starts, job_ends, ended = threading.Event(), threading.Event(), threading.Event()

    def cancel(times: int) -> None:
        if times == 1:  # nothing is at work yet
            job_starts.set()
        elif times == 3:
            job_ends.set()

    def append() -> None:
        interrupt()
        assert job_starts.wait(20)
        assert job_ends.wait(20)
        ended.set()
        raise RuntimeError(CANCELLED)

    session = Session(cancel)
    delivery = watch(session)
    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        delivery.run(append)
    assert ended.is_set()
    assert (session.cancellations, delivery.may_still_send) == (3, False)


def test_a_second_interrupt_does_not_end_the_wait_for_the_delivery() -> None:
    ended = threading.Event()
    goes_on = threading.Event()

    def cancel(times: int) -> None:
        if times == 1:
            interrupt()
        elif times == 3:
            goes_on.set()

    def append() -> None:
        interrupt()
        assert goes_on.wait(20)
        ended.set()

    session = Session(cancel)
    delivery = watch(session)
    with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
        delivery.run(append)
    assert (ended.is_set(), delivery.may_still_send) == (True, False)


def test_a_delivery_that_cannot_be_stopped_is_known_to_go_on_after_one_patience() -> None:
    clock, ends = FakeClock(), threading.Event()

    def append() -> None:
        interrupt()
        ends.wait(60)

    delivery = watch(Session(), clock)
    try:
        with pythons_own_handler(), pytest.raises(KeyboardInterrupt):
            delivery.run(append)
    finally:
        ends.set()
    assert delivery.may_still_send
    assert clock.seconds == PATIENCE_SECONDS
    assert delivery.patience_until == PATIENCE_SECONDS


def test_a_failed_delivery_whose_tasks_are_at_work_is_waited_for_with_the_same_patience() -> None:
    clock = FakeClock()
    delivery = watch(Session(), clock)
    jobs: Any = delivery.jobs
    jobs.active_tasks = 1

    def append() -> None:
        raise RuntimeError("out of memory")

    with pytest.raises(RuntimeError, match="out of memory"):
        delivery.run(append)
    assert (delivery.may_still_send, clock.seconds) == (True, PATIENCE_SECONDS)


def test_a_delivery_that_we_cancelled_because_it_found_no_slots_is_no_cancelled_run() -> None:
    delivery = watch(Session())

    def append() -> None:
        delivery.starved = True
        raise RuntimeError(CANCELLED)

    with pytest.raises(CioSparkError) as caught:
        delivery.run(append)
    told = explain_failure(caught.value, {})
    assert (told.exit_status, "no free slots" in str(told)) == (ExitStatus.INTERNAL_ERROR, True)
