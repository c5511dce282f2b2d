"""Tests a run on Spark Connect whose session somebody interrupts, as serverless compute does with a cancelled notebook.

Only `make test-connect` runs it: a classic session cancels jobs by their group (test_cancelled_runs.py).
"""

from __future__ import annotations

import pytest
from cancelled_runs import (
    ONE_BY_ONE,
    ROWS,
    assert_nothing_is_sent_any_more,
    assert_the_next_run_goes_on_at_once,
    only_run,
    when_it_sends,
)
from pyspark.sql import SparkSession
from sync_bench import Bench

from cio_spark.errors import ExitStatus, RunCancelledError
from cio_spark.spark.versions import classic_context


def test_a_run_whose_session_is_interrupted_writes_its_end_and_sends_nothing_any_more(
    orders: Bench, spark: SparkSession
) -> None:
    if classic_context(spark) is not None:
        pytest.skip("a classic session cancels jobs by their group")
    with when_it_sends(orders, lambda: spark.interruptAll()), pytest.raises(RunCancelledError) as caught:
        orders.run(**ONE_BY_ONE)
    assert caught.value.exit_status is ExitStatus.CANCELLED_SIGTERM
    assert_nothing_is_sent_any_more(orders)
    run = only_run(orders)
    assert (run["status"], run["exit_status"], run["in_doubt"]) == ("cancelled", ExitStatus.CANCELLED_SIGTERM, ROWS)
    assert_the_next_run_goes_on_at_once(orders)
