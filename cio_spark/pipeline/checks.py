"""Prepares and validates a record for every source row, and runs the first checks of the source in the background."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark import source
from cio_spark.config import SyncConfig
from cio_spark.payload import PERSON_KEYS, prepare_records, subject_column
from cio_spark.spark.versions import enter_session
from cio_spark.validation import validate_records

_Answer = TypeVar("_Answer")
_Known = TypeVar("_Known")


def prepare_and_validate(config: SyncConfig, rows: DataFrame, source_hash: Column | None = None) -> DataFrame:
    """Prepare and validate one record for every source row.

    Args:
        config: configuration of the sync.
        rows: rows of the source.
        source_hash: hash of the columns that the mapping reads; None for none.

    Raises:
        ConfigurationError: there are problems with columns, expressions or types; the error carries all of them.
    """
    order = source.order_columns(rows, config.source.order_by)
    return validate_records(prepare_records(rows, config.payload, order, source_hash), config.payload.call)


def try_on_rows(config: SyncConfig, rows: DataFrame) -> None:
    """Try the expressions of the payload and of `order_by` on every row, before another query meets one that fails.

    Args:
        config: configuration of the sync, in which `prepare_and_validate` has found no problem.
        rows: rows of the pinned source.

    Raises:
        ExpressionError: an expression fails on a row.
    """
    expressions = {path: sql for path, sql in config.expressions().items() if path.startswith("payload.")}
    for index, text in enumerate(config.source.order_by):
        expressions[f"source.order_by.{index}"] = source.sort_value(text)
    source.try_expressions(rows, expressions)


def rows_about(config: SyncConfig, rows: DataFrame, column: str, value: str) -> DataFrame:
    """Return the source rows of one record or one person.

    Args:
        config: configuration of the sync, in which `prepare_and_validate` has found no problem.
        rows: rows of the source.
        column: `record_id` or `person_key`.
        value: the record id or person key to look for.
    """
    subject = subject_column(rows, config.payload, column)
    names = [said for name in PERSON_KEYS if isinstance(said := getattr(config.payload, name), str)]
    if column == "record_id" or all(source.cannot_fail(name, rows) for name in names):
        return rows.where(subject == value)
    # A row on which the expression of the person key fails does not belong to this person
    return rows.where(source.null_on_failure(source.without_common_subexpressions(subject)) == F.lit(value.encode()))


@dataclass(frozen=True)
class SourceChecks:
    """Holds the futures of small queries on a pinned source, which run in the background and mostly wait.

    Attributes:
        rows: number of source rows.
        has_duplicates: whether a record id may be in several rows.
        tried: done when the expressions are tried; holds `ExpressionError` if one fails on a row.
    """

    rows: Future[int]
    has_duplicates: Future[bool]
    tried: Future[None]


def start_source_checks(config: SyncConfig, rows: DataFrame, records: DataFrame) -> SourceChecks:
    """Start the checks of a source in the background, while the run creates its tables and claims its sync.

    Args:
        config: configuration of the sync.
        rows: rows of the pinned source.
        records: result of `prepare_and_validate` for these rows.
    """
    spark = rows.sparkSession
    return SourceChecks(
        in_background(spark, rows.count),
        in_background(spark, lambda: source.has_duplicates(records)),
        in_background(spark, lambda: try_on_rows(config, rows)),
    )


def checks_in_one_query(records: DataFrame, trial: Callable[[], None]) -> SourceChecks:
    """Start the same checks for a few records that are in memory or were written for the run.

    Args:
        records: the records, prepared and validated.
        trial: tries the expressions on their rows.
    """
    spark = records.sparkSession
    counted = in_background(spark, lambda: source.count_ids(records))
    return SourceChecks(
        _mapped(counted, lambda count: count.rows),
        _mapped(counted, lambda count: count.has_duplicates),
        in_background(spark, trial),
    )


def _mapped(known: Future[_Known], read: Callable[[_Known], _Answer]) -> Future[_Answer]:
    """Return a future of what a function reads from the result of another future."""
    answer: Future[_Answer] = Future()

    def copy(done: Future[_Known]) -> None:
        error = done.exception()
        answer.set_exception(error) if error is not None else answer.set_result(read(done.result()))

    known.add_done_callback(copy)
    return answer


def in_background(spark: SparkSession, question: Callable[[], _Answer]) -> Future[_Answer]:
    """Run a question in a background thread and return its future.

    The thread is a daemon, so a run that is refused can end its process without waiting for the query.
    """
    answer: Future[_Answer] = Future()

    def find() -> None:
        try:
            enter_session(spark)
            answer.set_result(question())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=find, name="cio-spark-question", daemon=True).start()
    return answer
