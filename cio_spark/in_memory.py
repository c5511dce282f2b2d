"""Few rows in the driver's memory, as Arrow tables; Spark 3.5 neither gives nor takes such tables in public."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyspark
from pyspark.sql.pandas.types import from_arrow_schema, to_arrow_schema

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

KNOWS_ARROW = int(pyspark.__version__.split(".")[0]) >= 4
"""Whether this Spark has `toArrow`, and makes DataFrames of Arrow tables."""


def fetched(rows: DataFrame) -> pa.Table:
    """Evaluates a query and brings its rows here; instants are in the session's time zone."""
    if KNOWS_ARROW:
        return rows.toArrow()
    inside: Any = rows
    chunks = inside._collect_as_arrow()
    return pa.Table.from_batches(chunks, chunks[0].schema if chunks else to_arrow_schema(rows.schema))


def frame_of(spark: SparkSession, rows: pa.Table) -> DataFrame:
    """The rows as a DataFrame; from Spark 4 on a local relation, which starts no Python workers."""
    if KNOWS_ARROW:
        return spark.createDataFrame(rows)
    values: Any = rows.to_pylist(maps_as_pydicts="strict")
    return spark.createDataFrame(values, from_arrow_schema(rows.schema))
