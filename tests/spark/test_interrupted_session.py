"""Tests a run on Spark Connect whose session somebody interrupts, as serverless compute does with a cancelled notebook.

Only `make test-connect` runs it: a classic session cancels jobs by their group (test_cancelled_runs.py).
"""

from __future__ import annotations

import pytest
from cancelled_runs import assert_it_ended_as_cancelled, cancel_while_it_sends
from pyspark.sql import SparkSession
from sync_bench import Bench

from cio_spark.spark.versions import classic_context


def test_a_run_whose_session_is_interrupted_writes_its_end_and_sends_nothing_any_more(
    orders: Bench, spark: SparkSession
) -> None:
    if classic_context(spark) is not None:
        pytest.skip("a classic session cancels jobs by their group")
    cancel_while_it_sends(orders, lambda: spark.interruptAll())
    assert_it_ended_as_cancelled(orders)
