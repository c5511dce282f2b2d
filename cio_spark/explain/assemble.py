"""Combines the facts of source, ledger and tables; the ledger gives a record the state that a run would give it."""

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
from cio_spark.pipeline.checks import checks_in_one_query
from cio_spark.pipeline.known_records import read_known_records
from cio_spark.pipeline.phases import explain_spark_failures
from cio_spark.pipeline.survey import survey
from cio_spark.results import Tables
from cio_spark.spark.fixed_settings import fix_settings
from cio_spark.spark.versions import to_arrow


def explain_subject(config: SyncConfig, tables: Tables, subject: Subject) -> Explanation:
    """Collect all facts about a record or person, without sending or writing anything.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables, which may be missing.
        subject: the record or person.

    Raises:
        CioSparkError: Spark failed. A source that cannot be read does not raise: the result says why.
    """
    fixed = fix_settings(tables.spark, config.payload.time_zone)
    with ThreadPoolExecutor(max_workers=1) as pool, explain_spark_failures(config), fixed:
        telling = pool.submit(find_in_tables, tables, config.sync.name, subject)
        try:
            with explain_spark_failures(config):
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
    """Return the records with their states, by calling the survey of a run for these few rows."""
    known = None if statuses is None else read_known_records(config, tables, statuses)
    checks = checks_in_one_query(records, lambda: None)  # the expressions of records in memory are evaluated
    work = survey(config, records, checks, known, slots=Slots(1, fixed=True), count_everything=True)
    names = [field.name for field in fields(SourceRecord)]
    rows = to_arrow(work.records.select(*names).orderBy("record_id")).to_pylist()
    return tuple(SourceRecord(**row) for row in rows)
