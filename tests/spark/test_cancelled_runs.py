"""Tests runs that somebody cancels as a notebook's Cancel does it, and the next run, which goes on at once.

A notebook cancels the Spark jobs of a cell by their job group, and raises KeyboardInterrupt in the cell's Python.
"""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from cancelled_runs import (
    ONE_BY_ONE,
    ROWS,
    assert_it_ended_as_cancelled,
    assert_nothing_is_sent_any_more,
    assert_the_next_run_goes_on_at_once,
    cancel_while_it_sends,
    only_run,
    when_it_sends,
)
from pyspark.sql import SparkSession
from sync_bench import Bench, order_rows

from cio_spark import results
from cio_spark.clock import SystemClock
from cio_spark.errors import ExitStatus, RunCancelledError, SyncAlreadyRunningError, SyncTakenOverError
from cio_spark.pipeline import books, run_end, run_failure, waves
from cio_spark.pipeline import run as pipeline_run
from cio_spark.results import Claimant, claim_sync, claims, read_claims
from cio_spark.results.sync_runs import append_events
from cio_spark.spark.versions import cancel_jobs
from cio_spark.standin import Fault

pytestmark = pytest.mark.classic("jobs are cancelled through the Spark context")

_groups = map("cell-{}".format, itertools.count())


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Install Python's own handler: unlike pyspark's, it leaves the Spark jobs at work."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@contextmanager
def in_a_group(spark: SparkSession) -> Iterator[Callable[[], None]]:
    """Put the block into a job group; yield a function that cancels the group and its future jobs."""
    context: Any = spark.sparkContext
    group = next(_groups)  # Spark never forgets that the future jobs of a group are cancelled
    context.setJobGroup(group, "")
    try:
        yield lambda: cancel_jobs(context._jsc.sc(), group)
    finally:
        for name in ("spark.jobGroup.id", "spark.job.description"):
            context.setLocalProperty(name, None)


def interrupt() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def status_of_only_run(orders: Bench) -> tuple[Any, ...]:
    run = only_run(orders)
    return run["status"], run["exit_status"]


CANCELLED = ("cancelled", ExitStatus.CANCELLED_SIGINT)


@pytest.mark.usefixtures("interruptible")
def test_a_cell_that_is_interrupted_before_the_first_task_sends_nothing_after_its_end(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS))
    append = results.append_record_status

    def interrupt_and_append(*arguments: Any, **options: Any) -> None:
        interrupt()
        SystemClock().sleep(0.7)  # the first cancellation finds no job
        append(*arguments, **options)

    orders.api.script(Fault(latency_seconds=0.5))
    with monkeypatch.context() as interrupted:
        interrupted.setattr(results, "append_record_status", interrupt_and_append)
        with pytest.raises(KeyboardInterrupt):
            orders.run(**ONE_BY_ONE)
    assert_nothing_is_sent_any_more(orders)
    assert status_of_only_run(orders) == CANCELLED
    assert_the_next_run_goes_on_at_once(orders)


@pytest.mark.usefixtures("interruptible")
def test_a_wave_that_was_committed_when_the_interrupt_came_is_counted(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS))
    append = results.append_record_status

    def append_and_interrupt(*arguments: Any, **options: Any) -> None:
        append(*arguments, **options)
        interrupt()
        SystemClock().sleep(0.5)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(results, "append_record_status", append_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            orders.run()
    run = only_run(orders)
    assert (run["status"], run["accepted"], run["in_doubt"]) == ("cancelled", ROWS, 0)
    assert orders.run().books.delivery.persisted == 0


@pytest.mark.usefixtures("interruptible")
def test_a_wave_that_cannot_be_stopped_keeps_its_claim(orders: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    orders.write_sql(order_rows(ROWS))

    def go_on(_run: Any, _wave: Any, _arranged: Any, watch: Any, _until: Any) -> int:
        watch.may_still_send = True
        raise KeyboardInterrupt

    with monkeypatch.context() as interrupted:
        interrupted.setattr(waves, "_append", go_on)
        with pytest.raises(KeyboardInterrupt):
            orders.run()
    assert only_run(orders)["status"] == "running"
    with pytest.raises(SyncAlreadyRunningError):
        orders.run()


@pytest.mark.usefixtures("interruptible")
def test_a_run_that_is_interrupted_while_it_claims_its_sync_writes_its_end(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS))

    def append_and_interrupt(*arguments: Any, **options: Any) -> None:
        append_events(*arguments, **options)
        interrupt()
        SystemClock().sleep(0.2)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(claims, "append_events", append_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            orders.run()
    assert status_of_only_run(orders) == CANCELLED
    assert_the_next_run_goes_on_at_once(orders)


def test_a_run_whose_group_is_cancelled_while_it_claims_its_sync_writes_its_end(
    orders: Bench, monkeypatch: pytest.MonkeyPatch, spark: SparkSession
) -> None:
    orders.write_sql(order_rows(ROWS))
    with in_a_group(spark) as cancel, monkeypatch.context() as cancelled:

        def append_and_cancel(*arguments: Any, **options: Any) -> None:
            append_events(*arguments, **options)
            cancel()

        cancelled.setattr(claims, "append_events", append_and_cancel)
        with pytest.raises(RunCancelledError):
            orders.run()
    assert status_of_only_run(orders) == ("cancelled", ExitStatus.CANCELLED_SIGTERM)


@pytest.mark.usefixtures("interruptible")
def test_an_end_that_is_interrupted_is_written(orders: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    orders.write_sql(order_rows(ROWS))
    end = results.end_run

    def interrupt_and_end(*arguments: Any) -> Any:
        interrupt()
        SystemClock().sleep(0.2)
        return end(*arguments)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(results, "end_run", interrupt_and_end)
        with pytest.raises(KeyboardInterrupt):
            orders.run()
    assert status_of_only_run(orders) == ("succeeded", ExitStatus.SUCCESS)
    assert orders.run().books.delivery.persisted == 0


@pytest.mark.usefixtures("interruptible")
def test_a_second_interrupt_does_not_prevent_the_end_of_an_interrupted_run(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS))

    def interrupt_and_end(*arguments: Any) -> None:
        interrupt()
        SystemClock().sleep(0.2)
        run_end.write_end(*arguments)

    with monkeypatch.context() as interrupted:
        interrupted.setattr(run_failure, "write_end", interrupt_and_end)
        interrupted.setattr(pipeline_run, "cut_waves", lambda *_, **__: interrupt())
        with pytest.raises(KeyboardInterrupt):
            orders.run()
    assert status_of_only_run(orders) == CANCELLED
    assert_the_next_run_goes_on_at_once(orders)


def test_a_run_whose_group_is_cancelled_after_its_last_wave_ends_with_its_books(
    orders: Bench, monkeypatch: pytest.MonkeyPatch, spark: SparkSession
) -> None:
    orders.write_sql(order_rows(ROWS))
    with in_a_group(spark) as cancel, monkeypatch.context() as cancelled:

        def cancel_and_make_books(*arguments: Any) -> Any:
            cancel()
            return books.make_books(*arguments)

        cancelled.setattr(pipeline_run, "make_books", cancel_and_make_books)
        result = orders.run()
    assert (result.exit_status, result.books.balanced) == (ExitStatus.SUCCESS, True)
    assert status_of_only_run(orders) == ("succeeded", ExitStatus.SUCCESS)


def test_a_run_that_was_taken_over_and_whose_group_is_cancelled_ends_as_taken_over(
    orders: Bench, spark: SparkSession
) -> None:
    with in_a_group(spark) as cancel:

        def take_over_and_cancel() -> None:
            claimant, clock = Claimant("elsewhere:1", takes_over=True), SystemClock()
            opening = read_claims(orders.tables, orders.name, claimant, clock=clock)
            claim_sync(orders.tables, opening, claimant, {}, clock=clock)
            cancel()

        with when_it_sends(orders, take_over_and_cancel), pytest.raises(SyncTakenOverError) as caught:
            orders.run(**ONE_BY_ONE)
    assert caught.value.exit_status is ExitStatus.TAKEN_OVER


@pytest.mark.usefixtures("interruptible")
def test_an_interrupted_cell_stops_sending_and_the_next_run_goes_on_at_once(orders: Bench) -> None:
    with when_it_sends(orders, interrupt), pytest.raises(KeyboardInterrupt):
        orders.run(**ONE_BY_ONE)
    assert_nothing_is_sent_any_more(orders)
    run = only_run(orders)
    assert (run["status"], run["exit_status"], run["in_doubt"]) == (*CANCELLED, ROWS)
    assert_the_next_run_goes_on_at_once(orders)


def test_a_run_whose_job_group_is_cancelled_for_good_still_writes_its_end(orders: Bench, spark: SparkSession) -> None:
    with in_a_group(spark) as cancel:
        cancel_while_it_sends(orders, cancel)
    assert_it_ended_as_cancelled(orders)
