"""Finds the columns of a source that a sync uses, because only these columns are staged."""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark.config import SyncConfig
from cio_spark.errors import CioSparkError, ConfigurationError
from cio_spark.pipeline.checks import prepare_and_validate
from cio_spark.pipeline.mentioned_columns import mentioned_columns, row_expressions
from cio_spark.results.staged_columns import type_to_stage
from cio_spark.spark import sql as users_sql


def used_columns(config: SyncConfig, rows: DataFrame) -> list[str]:
    """Find the columns that the payload and `order_by` use, in the order of the source: see `mentioned_columns`.

    Columns that cannot be staged are tested further: Spark analyses whether the sync works without them.

    Args:
        config: configuration of the sync, in which `prepare_and_validate` has found no problem.
        rows: rows of the source.

    Raises:
        ConfigurationError: a used column has a type that no Delta table can store.
    """
    used = mentioned_columns(config, rows.columns)
    unfit = [field for field in rows.schema if field.name in used and type_to_stage(field.dataType) is None]
    for field in unfit:
        if not _does_without(config, rows, field.name):
            raise ConfigurationError.of(
                "source",
                f"column `{field.name}` has type {field.dataType.simpleString()}, which no Delta table holds, and the "
                "rows must be kept for the run: cast it in source.query",
            )
        used.remove(field.name)
    return used


def _does_without(config: SyncConfig, rows: DataFrame, name: str) -> bool:
    """Tell whether the sync works without a column; a `*` in an expression needs every column."""
    if any(users_sql.words_in(text) is None for text in row_expressions(config)):
        return False
    try:
        prepare_and_validate(config, _without(rows, name))
    except CioSparkError:
        return False
    return True


def _without(rows: DataFrame, name: str) -> DataFrame:
    """Return the rows without one column, selected by position: names of two columns may differ only in case."""
    columns = rows.columns
    placed = rows.toDF(*[f"c{place}" for place in range(len(columns))])
    return placed.select(*[F.col(f"c{place}").alias(other) for place, other in enumerate(columns) if other != name])
