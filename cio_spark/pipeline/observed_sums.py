"""Reads the sums that a query has observed while it ran."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent import futures
from typing import Any

from pyspark.sql import Column, DataFrame, Observation

from cio_spark.pipeline.checks import in_background

OBSERVATION_SECONDS = 60.0
"""Longest wait for the sums of a query that has ended; then they are computed again."""


def observed_sums(observation: Observation, rows: DataFrame, sums: Sequence[Column]) -> dict[str, Any]:
    """Return the sums that a query has observed.

    Spark hands them over by an event, which it drops if its queue is full, and Spark Connect may send none. Then the
    sums are computed by a query of their own.

    Args:
        observation: the observation of a query that has ended.
        rows: the rows that were observed.
        sums: the sums.
    """
    spark = rows.sparkSession
    try:
        found: dict[str, Any] = in_background(spark, lambda: observation.get).result(OBSERVATION_SECONDS)
    except futures.TimeoutError:  # another class than TimeoutError before Python 3.11
        found = {}
    return found or rows.agg(*sums).collect()[0].asDict()
