"""Surveys the rows of a run's scope: all rows of the source, or those that may have changed."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger
from cio_spark.coverage import Scope
from cio_spark.model import StateCounts
from cio_spark.pipeline.checks import checks_in_one_query, start_source_checks, try_on_rows
from cio_spark.pipeline.keys import Keys
from cio_spark.pipeline.known_records import KnownRecords, knows_records, read_known_records
from cio_spark.pipeline.run_context import RunContext
from cio_spark.pipeline.scope import fall_back
from cio_spark.pipeline.scope_rows import UnreadableChangesError, count_gone, find_keys, rows_of_keys
from cio_spark.pipeline.source_comparison import ComparedSource, compare_source, prepare_with_hash
from cio_spark.pipeline.survey import SurveyResult, plan_for, survey
from cio_spark.pipeline.used_columns import used_columns
from cio_spark.planning import survey_seconds
from cio_spark.results import Staging
from cio_spark.source import Snapshot


def survey_scope(
    run: RunContext,
    snapshot: Snapshot,
    records: DataFrame,
    ledger_version: int,
    staging: Staging,
    *,
    limit: int | None,
    retry_held: bool,
    compare_payloads: bool,
) -> SurveyResult:
    """Find the records that a run has to deliver, among the rows of its scope.

    Args:
        run: the run; its scope becomes `full` if the change feed cannot be read.
        snapshot: the pinned source.
        records: prepared and validated records of the source.
        ledger_version: version of `record_status` on which the run is planned.
        staging: table for rows that must stay the same.
        limit: the most source rows to read; None for all.
        retry_held: also send records that were refused before with the same payload.
        compare_payloads: compare all rows by their payloads, and not first by the hashes of their columns.

    Raises:
        ConfigurationError: the change feed cannot be read, and `source.changes` is `required`.
        ExpressionError: an expression of the payload, or of `order_by`, fails on a row.
    """
    earlier = run.tables.read("record_status", ledger_version)
    if run.scope is not None and run.scope.choice.scope is Scope.INCREMENTAL:
        try:
            keys = find_keys(run.config, run.tables, snapshot, run.scope, earlier, staging)
        except UnreadableChangesError as error:
            run.scope = fall_back(run.config, run.scope, str(error))
        else:
            return _survey_changes(run, snapshot, keys, earlier, staging)
    before = [one for one in run.claim.history.runs if one.run_id != run.claim.run_id]
    knows = knows_records(run.tables, earlier, run.config.sync.name, before)
    # Without a pinned source, and with functions from outside Spark, equal rows may become other payloads
    if knows and not compare_payloads and run.scope is not None and run.scope.source is not None:
        rows = snapshot.rows.count() if run.scope.covered is None else run.scope.covered.full_rows
        run.lease.expect(survey_seconds(rows, run.slots.count))
        compared = compare_source(run.config, snapshot.rows, earlier, staging)
        if compared is not None:
            return _survey_others(run, snapshot, records, compared, earlier, staging)
    pinned = snapshot.staged(lambda rows: staging.stage(rows, used_columns(run.config, rows)), limit)
    if pinned is not snapshot:
        snapshot, records = pinned, prepare_with_hash(run.config, pinned.rows)
    checks = start_source_checks(run.config, snapshot.rows, records)
    run.lease.expect(survey_seconds(checks.rows.result(), run.slots.count))
    known = read_known_records(run.config, run.tables, earlier, retry_held=retry_held) if knows else None
    return survey(run.config, records, checks, known, slots=run.slots, staging=staging)


def _survey_changes(
    run: RunContext, snapshot: Snapshot, keys: Keys, earlier: DataFrame, staging: Staging
) -> SurveyResult:
    """Survey the rows that may have changed, and count those that have gone."""
    work, records, known = _survey_keys(run, snapshot, keys, earlier, staging)
    found = work.counts.source_rows - work.counts.superseded
    if found >= keys.count:
        return work
    return replace(work, counts=replace(work.counts, gone=count_gone(keys, records, known)))


def _survey_others(
    run: RunContext,
    snapshot: Snapshot,
    records: DataFrame,
    compared: ComparedSource,
    earlier: DataFrame,
    staging: Staging,
) -> SurveyResult:
    """Survey the rows that are not known to be unchanged, and count the unchanged ones too."""
    if not compared.others.count:
        none = ledger.mark_all_new(records).where(F.lit(False))
        counts = StateCounts(compared.rows, unchanged=compared.unchanged)
        return SurveyResult(none, none, counts, plan_for(run.config, run.slots, 0, 0))
    work, _, _ = _survey_keys(run, snapshot, compared.others, earlier, staging)
    unchanged = work.counts.unchanged + compared.unchanged
    return replace(work, counts=replace(work.counts, source_rows=compared.rows, unchanged=unchanged))


def _survey_keys(
    run: RunContext, snapshot: Snapshot, keys: Keys, earlier: DataFrame, staging: Staging
) -> tuple[SurveyResult, DataFrame, KnownRecords]:
    """Survey the rows of some keys; return their records and what earlier runs made of them, too."""
    config = run.config
    if not keys.are_few:
        run.lease.expect(survey_seconds(keys.count, run.slots.count))
    snapshot = rows_of_keys(config, snapshot, keys, staging)
    records = prepare_with_hash(config, snapshot.rows)
    checks = checks_in_one_query(records, lambda: try_on_rows(config, snapshot.rows))
    known = read_known_records(config, run.tables, earlier, keys=keys)
    work = survey(config, records, checks, known, slots=run.slots, staging=staging)
    return work, records, known
