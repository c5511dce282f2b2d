"""Puts together what source, ledger and tables know; the ledger's verdict is the one a run would come to."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields

from pyspark.sql import DataFrame

from cio_spark.config import SyncConfig
from cio_spark.errors import CioSparkError
from cio_spark.explain.explanation import Explanation, InSource, SourceRecord
from cio_spark.explain.source_lookup import find_in_source
from cio_spark.explain.subject import Subject
from cio_spark.explain.table_lookup import find_in_tables
from cio_spark.model import Slots
from cio_spark.pipeline.checks import checks_of_records
from cio_spark.pipeline.phases import explained
from cio_spark.pipeline.survey import survey
from cio_spark.results import Tables
from cio_spark.spark.fixed_settings import fix_settings
from cio_spark.spark.versions import to_arrow


def explain_subject(config: SyncConfig, tables: Tables, subject: Subject) -> Explanation:
    """Everything known about a record or person. Sends nothing, writes nothing.

    Args:
        config: the sync.
        tables: where the tables are; they may be missing.
        subject: who or what.

    Raises:
        CioSparkError: Spark failed. A source that cannot be read is part of the answer.
    """
    fixed = fix_settings(tables.spark, config.payload.time_zone)
    with ThreadPoolExecutor(max_workers=1) as pool, explained(config), fixed:
        telling = pool.submit(find_in_tables, tables, config.sync.name, subject)
        try:
            with explained(config):
                found = find_in_source(tables.spark, config, tables.attach_source, subject)
        except CioSparkError as error:
            told = telling.result()
            trouble = InSource(config.source.table or config.source.path or "the query", trouble=str(error))
            return Explanation(config.sync.name, subject, trouble, told.attempts, told.letters, told.has_more)
        told = telling.result()
        records = _judged(config, tables, found.records, told.statuses) if found.rows else ()
        in_source = InSource(found.source, found.rows, records, found.left_out)
    return Explanation(config.sync.name, subject, in_source, told.attempts, told.letters, told.has_more)


def _judged(
    config: SyncConfig, tables: Tables, records: DataFrame, statuses: DataFrame | None
) -> tuple[SourceRecord, ...]:
    """The records with their states, by a run's own survey of these few rows."""
    slots = Slots(1, fixed=True)
    work = survey(
        config,
        tables,
        records,
        checks_of_records(records),
        statuses,
        slots=slots,
        retry_held=False,
        count_everything=True,
    )
    names = [field.name for field in fields(SourceRecord)]
    rows = to_arrow(work.records.select(*names).orderBy("record_id")).to_pylist()
    return tuple(SourceRecord(**row) for row in rows)
