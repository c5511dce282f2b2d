"""Looks a record or person up in the source; only the rows of this subject are turned into JSON."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from pyspark.sql import DataFrame, SparkSession

from cio_spark import source
from cio_spark.config import SyncConfig
from cio_spark.explain.subject import Subject
from cio_spark.pipeline.checks import prepare_and_validate, rows_about, try_on_rows
from cio_spark.spark.versions import from_arrow, to_arrow

MOST_ROWS: Final = 1_000


@dataclass(frozen=True)
class SourceFacts:
    """Holds the source's rows of a subject.

    Attributes:
        source: description of the source, with its version.
        rows: number of rows found, at most `MOST_ROWS`.
        records: these rows as prepared and validated records, in memory.
        left_out: number of rows of the subject that `source.where` leaves out; counted only if `rows` is 0.
    """

    source: str
    rows: int
    records: DataFrame
    left_out: int


def find_in_source(
    spark: SparkSession, config: SyncConfig, attach: Callable[[str], str], subject: Subject
) -> SourceFacts:
    """Look the subject up in the newest version of the source.

    Args:
        spark: the session.
        config: configuration of the sync.
        attach: see `open_source`.
        subject: the record or person.

    Raises:
        ConfigurationError: the source cannot be opened.
        ExpressionError: an expression fails on a row.
    """
    snapshot = source.open_source(spark, config.source, attach)
    prepare_and_validate(config, snapshot.rows)  # report problems of the configuration first
    rows = rows_about(config, snapshot.rows, subject.column, subject.value)
    # Try the expressions on these rows only: it does not matter if they fail on other rows
    try_on_rows(config, rows)
    records = to_arrow(prepare_and_validate(config, rows).limit(MOST_ROWS))
    left_out = 0
    if not records.num_rows and config.source.where is not None:
        everything = config.source.model_copy(update={"where": None})
        rows = source.open_source(spark, everything, attach).rows
        left_out = rows_about(config, rows, subject.column, subject.value).count()
    return SourceFacts(snapshot.description, records.num_rows, from_arrow(spark, records), left_out)
