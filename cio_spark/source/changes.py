"""Reads which rows of a Delta table have changed between two versions, from its change feed."""

from __future__ import annotations

from pyspark.sql import DataFrame, SparkSession


def read_changes(spark: SparkSession, name: str, after: int, until: int) -> DataFrame:
    """Return every row that was inserted, updated or deleted, as it was before and after each change.

    Whether the feed can be read shows only when it is: Databricks can derive it without the table property, and a feed
    that was off for some time raises an error at execution.

    Args:
        spark: the session.
        name: name of the table for SQL.
        after: the version after which the first change comes.
        until: the version of the last change.

    Returns:
        The rows, with the table's newest columns; an updated row stands there twice.

    Raises:
        AnalysisException: the table has no change feed.
    """
    feed = spark.read.format("delta").option("readChangeFeed", "true")
    return feed.option("startingVersion", after + 1).option("endingVersion", until).table(name)
