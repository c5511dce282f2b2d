"""Handles what Spark 3.5 and Spark Connect lack, or do differently from a classic session of Spark 4."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyspark
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

if TYPE_CHECKING:
    from pyspark import SparkContext
    from pyspark.sql import DataFrame, SparkSession

IS_SPARK_4 = int(pyspark.__version__.split(".")[0]) >= 4


def classic_context(spark: SparkSession) -> SparkContext | None:
    """Return the session's context; None on Spark Connect, and therefore on serverless compute."""
    try:
        return spark.sparkContext
    except Exception:  # each kind of Spark Connect raises an error of its own class
        return None


def task_slots(context: SparkContext) -> int:
    """Return how many tasks can run at once now; 0 where Spark does not tell.

    `defaultParallelism` says 2 for a single slot, and what `spark.default.parallelism` says.
    """
    inside: Any = context
    try:
        scheduler = inside._jsc.sc()
        return int(scheduler.maxNumConcurrentTasks(scheduler.resourceProfileManager().defaultResourceProfile()))
    except Exception:  # it is no public method, and may be closed to us
        return 0


def is_local(context: SparkContext) -> bool:
    """Tell whether driver and executor are one process, so that slots are fixed and no executor can be lost."""
    master = context.getConf().get("spark.master") or ""
    return master == "local" or master.startswith("local[")


def to_arrow(rows: DataFrame) -> pa.Table:
    """Run a query and bring its rows into the driver's memory; instants are in the session's time zone."""
    if IS_SPARK_4:
        return rows.toArrow()
    inside: Any = rows
    chunks = inside._collect_as_arrow()
    return pa.Table.from_batches(chunks, chunks[0].schema if chunks else to_arrow_schema(rows.schema))


def from_arrow(spark: SparkSession, rows: pa.Table) -> DataFrame:
    """Make a DataFrame of a few rows in memory.

    From Spark 4 on it is a local relation, which starts no Python workers.
    """
    if IS_SPARK_4 and rows.num_rows:
        return spark.createDataFrame(rows)
    # Spark Connect does not accept an empty table either
    values: list[Any] = rows.to_pylist()
    for name in (field.name for field in rows.schema if pa.types.is_map(field.type)):
        for row in values:
            row[name] = None if row[name] is None else dict(row[name])
    return spark.createDataFrame(values, from_arrow_schema(rows.schema))


def enter_session(spark: SparkSession) -> None:
    """Make a session the active one of this new thread; Spark 3.5 reads SQL by the settings of the active session."""
    if not IS_SPARK_4:
        inside: Any = spark
        inside._jvm.SparkSession.setActiveSession(inside._jsparkSession)


def cancel_jobs(context: Any, group: str) -> None:
    """Cancel the jobs of a group; from Spark 4 on, also those jobs that are still waiting for slots.

    Args:
        context: SparkContext of the JVM.
        group: name of the job group.
    """
    if IS_SPARK_4:
        context.cancelJobGroupAndFutureJobs(group)
    else:
        context.cancelJobGroup(group)
