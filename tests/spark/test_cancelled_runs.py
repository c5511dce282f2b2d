"""Tests runs that somebody cancels as a notebook's Cancel does it, and the next run, which goes on at once.

A notebook cancels the Spark jobs of a cell by their job group, and raises KeyboardInterrupt in the cell's Python.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyspark.sql import Row, SparkSession
from pyspark.sql import functions as F
from sync_bench import Bench, order_rows, wait_for_messages

from cio_spark.clock import SystemClock
from cio_spark.errors import ExitStatus, RunCancelledError
from cio_spark.spark.versions import cancel_jobs
from cio_spark.standin import Fault

pytestmark = pytest.mark.classic("jobs are cancelled through the Spark context")

GROUP = "cell-8"
ROWS = 40
ONE_BY_ONE: dict[str, Any] = {"batch": {"max_batch_size": 1, "parallel_workers": 2}}


@contextmanager
def when_it_sends(orders: Bench, act: Callable[[], None]) -> Iterator[None]:
    """Do something when the run in the block is in the middle of its wave."""
    orders.write_sql(order_rows(ROWS))
    orders.api.script(Fault(latency_seconds=0.5))

    def wait_and_act() -> None:
        wait_for_messages(orders.api, 2)
        act()

    thread = threading.Thread(target=wait_and_act, daemon=True)
    thread.start()
    yield
    thread.join()


def only_run(orders: Bench) -> Row:
    (run,) = orders.tables.read("sync_run_state").where(F.col("sync") == orders.name).collect()
    return run


def assert_nothing_is_sent_any_more(orders: Bench) -> None:
    sent = orders.api.received.count()
    SystemClock().sleep(1.5)  # three times the latency of a request: what was still at work would arrive
    assert orders.api.received.count() == sent < ROWS


def assert_the_next_run_goes_on_at_once(orders: Bench) -> None:
    orders.api.clear_faults()
    again = orders.run()
    assert (again.exit_status, again.books.balanced) == (ExitStatus.SUCCESS, True)
    assert again.books.delivery.accepted == ROWS
    assert len(set(orders.api.received.message_ids())) == ROWS


def test_an_interrupted_cell_stops_sending_and_the_next_run_goes_on_at_once(orders: Bench) -> None:
    # Python's own handler: unlike pyspark's, it leaves the Spark jobs at work
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with (
            when_it_sends(orders, lambda: os.kill(os.getpid(), signal.SIGINT)),
            pytest.raises(KeyboardInterrupt),
        ):
            orders.run(**ONE_BY_ONE)
    finally:
        signal.signal(signal.SIGINT, before)
    assert_nothing_is_sent_any_more(orders)
    run = only_run(orders)
    assert (run["status"], run["exit_status"], run["in_doubt"]) == ("cancelled", ExitStatus.CANCELLED_SIGINT, ROWS)
    assert_the_next_run_goes_on_at_once(orders)


def test_a_run_whose_job_group_is_cancelled_for_good_still_writes_its_end(orders: Bench, spark: SparkSession) -> None:
    context = spark.sparkContext
    inside: Any = context
    context.setJobGroup(GROUP, "")
    try:
        with (
            when_it_sends(orders, lambda: cancel_jobs(inside._jsc.sc(), GROUP)),
            pytest.raises(RunCancelledError) as caught,
        ):
            orders.run(**ONE_BY_ONE)
    finally:
        context.setLocalProperty("spark.jobGroup.id", None)  # type: ignore[arg-type]
        context.setLocalProperty("spark.job.description", None)  # type: ignore[arg-type]
    assert caught.value.exit_status is ExitStatus.CANCELLED_SIGTERM
    assert_nothing_is_sent_any_more(orders)
    run = only_run(orders)
    assert (run["status"], run["exit_status"], run["in_doubt"]) == ("cancelled", ExitStatus.CANCELLED_SIGTERM, ROWS)
    assert_the_next_run_goes_on_at_once(orders)
