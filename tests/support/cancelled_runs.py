"""Cancels a run in the middle of its wave, and says what must hold then."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F
from sync_bench import Bench, order_rows, wait_for_messages

from cio_spark.clock import SystemClock
from cio_spark.errors import ExitStatus, RunCancelledError
from cio_spark.standin import Fault

ROWS = 40
ONE_BY_ONE: dict[str, Any] = {"batch": {"max_batch_size": 1, "parallel_workers": 2}}


@contextmanager
def when_it_sends(orders: Bench, act: Callable[[], object]) -> Iterator[None]:
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


def cancel_while_it_sends(orders: Bench, cancel: Callable[[], object]) -> None:
    """Cancel the Spark jobs of a run in the middle of its wave, and see that the run says so."""
    with when_it_sends(orders, cancel), pytest.raises(RunCancelledError) as caught:
        orders.run(**ONE_BY_ONE)
    assert caught.value.exit_status is ExitStatus.CANCELLED_SIGTERM


def assert_it_ended_as_cancelled(orders: Bench) -> None:
    """See that a run whose jobs were cancelled has its end, sends nothing any more, and that the next run goes on."""
    assert_nothing_is_sent_any_more(orders)
    run = only_run(orders)
    assert (run["status"], run["exit_status"], run["in_doubt"]) == ("cancelled", ExitStatus.CANCELLED_SIGTERM, ROWS)
    assert_the_next_run_goes_on_at_once(orders)


def only_run(orders: Bench) -> Row:
    """Return the state of the only run of a sync."""
    (run,) = orders.tables.read("sync_run_state").where(F.col("sync") == orders.name).collect()
    return run


def assert_nothing_is_sent_any_more(orders: Bench) -> None:
    """Wait for what may still be at work, and see that nothing arrives."""
    sent = orders.api.received.count()
    SystemClock().sleep(1.5)  # three times the latency of a request: what was still at work would arrive
    assert orders.api.received.count() == sent < ROWS


def assert_the_next_run_goes_on_at_once(orders: Bench) -> None:
    """Run again, and see that every record has arrived under one message id."""
    orders.api.clear_faults()
    again = orders.run()
    assert (again.exit_status, again.books.balanced) == (ExitStatus.SUCCESS, True)
    assert again.books.delivery.accepted == ROWS
    assert len(set(orders.api.received.message_ids())) == ROWS
