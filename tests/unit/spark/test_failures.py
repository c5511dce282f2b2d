"""Tests the sentences about Spark's errors, on texts as Spark writes them."""

from __future__ import annotations

import pytest

from cio_spark.errors import CioSparkError, ExitStatus, RunCancelledError
from cio_spark.spark.failures import explain_failure


@pytest.mark.parametrize(
    "text",
    [
        "[SPARK_JOB_CANCELLED] Job 5 cancelled part of cancelled job group cell-8 SQLSTATE: XXKDA",  # Spark 4
        "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008",  # Spark Connect
        "An error occurred while calling o1.save.\n: org.apache.spark.SparkException: Job 5 cancelled part of "
        "cancelled job group cell-8\n\tat org.apache.spark",  # Spark 3.5
    ],
)
def test_cancelled_jobs_are_a_cancelled_run(text: str) -> None:
    cause = RuntimeError("Job aborted.")
    cause.__cause__ = Exception(text)
    for error in (Exception(text), cause):
        told = explain_failure(error, {})
        assert isinstance(told, RunCancelledError)
        assert told.exit_status is ExitStatus.CANCELLED_SIGTERM
        assert "cell-8" not in str(told)


@pytest.mark.parametrize(
    "text",
    [
        "Job aborted due to stage failure: Task 0 in stage 1.0 failed 1 times",
        "org.apache.spark.SparkException: Job 5 cancelled because SparkContext was shut down",
        "[SPARK_JOB_CANCELLED] Job 5 cancelled because SparkContext was shut down SQLSTATE: XXKDA",
        "[CAST_INVALID_INPUT] The value 'Job 5 cancelled by user' of the type STRING cannot be cast to INT",
    ],
)
def test_other_failures_are_no_cancelled_run(text: str) -> None:
    told = explain_failure(Exception(text), {})
    assert isinstance(told, CioSparkError)
    assert not isinstance(told, RunCancelledError)
