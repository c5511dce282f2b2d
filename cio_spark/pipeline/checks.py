"""Source → payload → validation: every row as a prepared, judged record, and what is asked about them first."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from cio_spark import source
from cio_spark.config import SyncConfig
from cio_spark.payload import PERSON_KEYS, prepare_records, subject_column
from cio_spark.spark.versions import enter_session
from cio_spark.validation import validate_records

_Answer = TypeVar("_Answer")


def prepare_and_validate(config: SyncConfig, rows: DataFrame) -> DataFrame:
    """Source → payload → validation: a prepared, judged record for every row."""
    order = source.order_columns(rows, config.source.order_by)
    return validate_records(prepare_records(rows, config.payload, order), config.payload.call)


def try_on_rows(config: SyncConfig, rows: DataFrame) -> None:
    """Tries the expressions of the payload, and of `order_by`, on every row before a query meets one that fails.

    Args:
        config: the sync; `prepare_and_validate` has found no problem with it.
        rows: the pinned source.

    Raises:
        ExpressionError: one fails on a row.
    """
    expressions = {path: sql for path, sql in config.expressions().items() if path.startswith("payload.")}
    for index, text in enumerate(config.source.order_by):
        expressions[f"source.order_by.{index}"] = source.sort_value(text)
    source.try_expressions(rows, expressions)


def rows_about(config: SyncConfig, rows: DataFrame, column: str, value: str) -> DataFrame:
    """The source's rows of one record or person.

    Args:
        config: the sync; `prepare_and_validate` has found no problem with it.
        rows: the source's rows.
        column: `record_id` or `person_key`.
        value: whose.
    """
    subject = subject_column(rows, config.payload, column)
    names = [said for name in PERSON_KEYS if isinstance(said := getattr(config.payload, name), str)]
    if column == "record_id" or all(source.cannot_fail(name, rows) for name in names):
        return rows.where(subject == value)
    # Where naming the person fails, it is not this one
    return rows.where(source.null_on_failure(source.without_common_subexpressions(subject)) == F.lit(value.encode()))


@dataclass(frozen=True)
class SourceChecks:
    """What is asked about a pinned source before anything is decided: small queries, most of whose time is waiting.

    Attributes:
        rows: how many there are.
        has_duplicates: whether record ids may stand in several rows.
        tried: done once the expressions are tried, with `ExpressionError` where one fails on a row.
    """

    rows: Future[int]
    has_duplicates: Future[bool]
    tried: Future[None]


def start_source_checks(config: SyncConfig, rows: DataFrame, records: DataFrame) -> SourceChecks:
    """Asks at once, in the background: tables can be created and the sync be claimed meanwhile.

    Args:
        config: the sync.
        rows: the pinned source.
        records: `prepare_and_validate` of it.
    """
    spark = rows.sparkSession
    return SourceChecks(
        _begun(spark, rows.count),
        _begun(spark, lambda: source.has_duplicates(records)),
        _begun(spark, lambda: try_on_rows(config, rows)),
    )


def checks_of_records(records: DataFrame) -> SourceChecks:
    """The same about records in memory, whose expressions have been evaluated."""
    spark = records.sparkSession
    return SourceChecks(
        _begun(spark, records.count),
        _begun(spark, lambda: source.has_duplicates(records)),
        _begun(spark, lambda: None),
    )


def _begun(spark: SparkSession, question: Callable[[], _Answer]) -> Future[_Answer]:
    """The answer to come, from a thread that nobody waits for at the end of the process: a run may be refused."""
    answer: Future[_Answer] = Future()

    def find() -> None:
        try:
            enter_session(spark)
            answer.set_result(question())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=find, name="cio-spark-question", daemon=True).start()
    return answer
