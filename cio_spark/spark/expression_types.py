"""Finds the type of a user's expression, and refuses one that is no value of one row or changes by itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from cio_spark.spark import sql as users_sql
from cio_spark.spark.changing_values import changes_by_itself
from cio_spark.spark.failures import NO_ROW_VALUE, NO_STAR_HERE, ONCE, analysis_problem, error_class

if TYPE_CHECKING:  # commands import this module even if pyspark is not installed
    from pyspark.sql import DataFrame
    from pyspark.sql.types import DataType


class UnfitExpressionError(Exception):
    """Says that a user's expression cannot be used, and why; the caller adds the path of the expression."""


def fixed_value_type(rows: DataFrame, sql: str, columns: Sequence[str]) -> DataType:
    """Find the type of an expression whose value depends on one row only and stays the same for the whole run.

    It runs no job.

    Args:
        rows: rows that the expression is about.
        sql: the user's expression.
        columns: names of the existing columns.

    Raises:
        UnfitExpressionError: Spark refuses the expression, or it is no such value.
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
    """Find the type of an expression that is a value of one row; arguments and errors as in `fixed_value_type`."""
    from pyspark.errors import AnalysisException, ParseException
    from pyspark.sql import functions as F

    try:
        kind = type_of(rows, sql)
    except (AnalysisException, ParseException) as error:
        raise UnfitExpressionError(analysis_problem(error, columns)) from None
    if "(" in sql:
        try:
            # A SELECT of one expression accepts aggregates, generators and windows; a WHERE accepts values of one row
            analysed(rows.where(F.expr(sql).isNotNull()))
        except AnalysisException as error:
            if error_class(error) != NO_STAR_HERE:  # Spark 3.5 refuses stars in a WHERE; other problems stay unknown
                raise UnfitExpressionError(NO_ROW_VALUE) from None
    return kind


def analysed(rows: DataFrame) -> DataFrame:
    """Return the rows of a query after Spark has analysed it; raise what Spark raises, and run no job.

    Spark Connect analyses a query only when it runs, and takes the schema of a filter from the filter's input.
    """
    from pyspark.sql import functions as F

    _ = rows.select(F.lit(1).alias("x")).schema
    return rows


def type_of(rows: DataFrame, sql: str) -> DataType:
    """Return the type that Spark gives to an expression; raise what Spark raises, and run no job."""
    from pyspark.sql import functions as F

    return rows.select(F.expr(sql).alias("x")).schema[0].dataType
