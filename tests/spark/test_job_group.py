"""A sync leaves the job group of its caller as it was, and a cancellation by that group reaches its delivery."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pyspark.sql import SparkSession
from sync_bench import Bench, order_rows, wait_for_messages

from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.standin import Fault

pytestmark = pytest.mark.classic("job groups are a part of the Spark context")

GROUP, DESCRIPTION = "spark.jobGroup.id", "spark.job.description"


def properties(spark: SparkSession) -> tuple[str | None, ...]:
    context = spark.sparkContext
    return context.getLocalProperty(GROUP), context.getLocalProperty(DESCRIPTION), *sorted(context.getJobTags())


@pytest.mark.slow
def test_the_callers_job_group_and_description_are_there_after_a_sync(orders: Bench, spark: SparkSession) -> None:
    orders.write_sql(order_rows(3))
    spark.sparkContext.setJobGroup("notebook-7", "what the notebook does")
    try:
        assert orders.run().exit_status is ExitStatus.SUCCESS
        assert properties(spark) == ("notebook-7", "what the notebook does")
    finally:
        spark.sparkContext.setLocalProperty(GROUP, None)  # type: ignore[arg-type]
        spark.sparkContext.setLocalProperty(DESCRIPTION, None)  # type: ignore[arg-type]
    assert orders.run().exit_status is ExitStatus.SUCCESS
    assert properties(spark) == (None, None)


def test_a_cancellation_of_the_callers_job_group_ends_the_delivery_and_the_next_run_goes_on(
    orders: Bench, spark: SparkSession
) -> None:
    orders.write_sql(order_rows(40))
    orders.api.script(Fault(latency_seconds=0.5))
    one_by_one: dict[str, Any] = {"batch": {"max_batch_size": 1, "parallel_workers": 2}}

    def cancel() -> None:
        wait_for_messages(orders.api, 2)
        spark.sparkContext.cancelJobGroup("notebook-8")

    canceller = threading.Thread(target=cancel, daemon=True)
    spark.sparkContext.setJobGroup("notebook-8", "")
    try:
        canceller.start()
        with pytest.raises(CioSparkError):
            orders.run(**one_by_one)
    finally:
        spark.sparkContext.setLocalProperty(GROUP, None)  # type: ignore[arg-type]
        spark.sparkContext.setLocalProperty(DESCRIPTION, None)  # type: ignore[arg-type]
    assert orders.api.received.count() < 40
    orders.api.clear_faults()
    again = orders.run()
    assert (again.exit_status, again.books.delivery.accepted) == (ExitStatus.SUCCESS, 40)
    assert len(set(orders.api.received.message_ids())) == 40
