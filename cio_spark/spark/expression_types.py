"""Finds the type of a user's expression, and refuses what is no value of one row or does not stay the same."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cio_spark.spark import sql as users_sql
from cio_spark.spark.changing_values import changes_by_itself
from cio_spark.spark.failures import NO_ROW_VALUE, NO_STAR_HERE, ONCE, analysis_problem, error_class

if TYPE_CHECKING:  # the commands import this module where pyspark may be missing
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType


class UnfitExpressionError(Exception):
    """A user's expression cannot be used; the text says why, for whoever knows its path."""


def fixed_value_type(rows: DataFrame, sql: str, columns: Sequence[str]) -> DataType:
    """Find the type of an expression that is a value of one row, the same for the whole run. Runs no job.

    Args:
        rows: what the expression is about.
        sql: the user's expression.
        columns: the columns there are.

    Raises:
        UnfitExpressionError: Spark refuses it, or it is no such value.
    """
    if users_sql.has_subquery(sql):
        raise UnfitExpressionError(f"has a subquery, whose rows may change during the run; join them {ONCE}")
    kind = row_value_type(rows, sql, columns)
    if changes_by_itself(rows, sql):
        raise UnfitExpressionError(
            f"has another value on every run, so what is sent would change by itself; compute it {ONCE}"
        )
    return kind


def row_value_type(rows: DataFrame, sql: str, columns: Sequence[str]) -> DataType:
    """Find the type of an expression that is a value of one row; arguments and errors as of `fixed_value_type`."""
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql import functions as F

    try:
        kind = type_of(rows, sql)
    except (AnalysisException, ParseException) as error:
        raise UnfitExpressionError(analysis_problem(error, columns)) from None
    if "(" in sql:
        try:
            # Alone in a SELECT, aggregates, generators and windows pass; a WHERE takes values of one row only
            analysed(rows.where(F.expr(sql).isNotNull()))
        except AnalysisException as error:
            if error_class(error) != NO_STAR_HERE:  # Spark 3.5 takes none there, and what there is besides is unknown
                raise UnfitExpressionError(NO_ROW_VALUE) from None
    return kind


def analysed(rows: DataFrame) -> DataFrame:
    """Give back the rows of a query, once Spark has found nothing wrong with it; raises what Spark raises. Runs no job.

    Spark Connect looks at a query when it is run, and takes the schema of a filter from what it filters.
    """
    from pyspark.sql import functions as F

    _ = rows.select(F.lit(1).alias("x")).schema
    return rows


def type_of(rows: DataFrame, sql: str) -> DataType:
    """Ask Spark for the type of an expression; raises what Spark raises. Runs no job."""
    from pyspark.sql import functions as F

    return rows.select(F.expr(sql).alias("x")).schema[0].dataType
