"""Finds the records that a run has to deliver, and plans their delivery: ledger → planning."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pyspark.sql import DataFrame, Observation
from pyspark.sql import functions as F

from cio_spark import ledger, planning, source
from cio_spark.config import SyncConfig
from cio_spark.model import DeliveryPlan, Slots, StateCounts
from cio_spark.pipeline.checks import SourceChecks
from cio_spark.pipeline.known_records import KnownRecords
from cio_spark.pipeline.observed_sums import observed_sums
from cio_spark.results import Staging

FEW_ROWS = 50_000
"""So many rows are classified a second time faster than their records are written."""


@dataclass(frozen=True)
class SurveyResult:
    """Holds the records that a run has to deliver, their counts and the plan of the delivery.

    Attributes:
        records: all classified records, as a lazy DataFrame; only the deliverable ones if those are staged.
        deliverable: the records that go through the delivery: new, changed, again and invalid ones.
        counts: source rows by state.
        plan: plan of the delivery.
        is_staged: whether the deliverable records were written to a table.
    """

    records: DataFrame
    deliverable: DataFrame
    counts: StateCounts
    plan: DeliveryPlan
    is_staged: bool = False


def survey(
    config: SyncConfig,
    records: DataFrame,
    checks: SourceChecks,
    known: KnownRecords | None,
    *,
    slots: Slots,
    staging: Staging | None = None,
    count_everything: bool = False,
) -> SurveyResult:
    """Find the records that still have to be sent, and plan their delivery.

    Args:
        config: configuration of the sync.
        records: prepared and validated records of the pinned source.
        checks: checks of the source that were started in the background.
        known: what earlier runs made of the records; None if there were none.
        slots: task slots of the session.
        staging: table to which the records to deliver are written while the states are counted, so that the delivery
            need not find them again; None to write nothing. A first run and a run over few rows write nothing.
        count_everything: read every payload, also on a first run, which else reads a sample.

    Raises:
        ExpressionError: an expression of the payload, or of `order_by`, fails on a row.
    """
    # Wait for the trial of the expressions before any query on the records, which may meet an expression that fails
    checks.tried.result()
    mean_bytes = None if known is not None or count_everything else ledger.sample_bytes(records)
    source_rows = checks.rows.result()
    superseded, is_staged = 0, False
    if checks.has_duplicates.result():
        superseded = source.count_superseded(records, config.source.order_by)
        records = source.drop_superseded(records, config.source.order_by)
    if known is None:
        # No filter here: Spark would push it below the JSON that it depends on, and build every payload twice
        records = deliverable = ledger.mark_all_new(records)
    else:
        records = ledger.classify_records(
            records,
            known.latest,
            ignore_changes=config.on_change == "ignore",
            hold=known.hold,
            accepted_persons=known.accepted_persons,
        )
        deliverable = records.where(F.col("state").isin(*ledger.STATES_IN_DELIVERY))
    if mean_bytes is not None:
        counts = ledger.estimate_first_run(mean_bytes, source_rows=source_rows, superseded=superseded)
    elif staging is not None and source_rows > FEW_ROWS:
        records, sums = _staged_and_counted(records, staging)
        deliverable, is_staged = records, True
        counts = ledger.counts_from_sums(sums, source_rows=source_rows, superseded=superseded)
    else:
        counts = ledger.count_states(records, source_rows=source_rows, superseded=superseded)
    plan = plan_for(config, slots, counts.to_send, counts.payload_bytes)
    return SurveyResult(records, deliverable, counts, plan, is_staged)


def _staged_and_counted(records: DataFrame, staging: Staging) -> tuple[DataFrame, dict[str, Any]]:
    """Write the records that go through the delivery, and count all records by state in the same pass.

    Returns:
        The written records, and the values of `ledger.state_sums`.
    """
    observation = Observation()
    observed = records.observe(observation, *ledger.state_sums())
    deliverable = staging.stage_records(observed.where(F.col("state").isin(*ledger.STATES_IN_DELIVERY)))
    return deliverable, observed_sums(observation, records, ledger.state_sums())


def plan_for(config: SyncConfig, slots: Slots, records: int, payload_bytes: int) -> DeliveryPlan:
    """Return the delivery plan for a number of records and of JSON bytes."""
    return planning.plan_delivery(
        config.batch,
        slots,
        records=records,
        payload_bytes=payload_bytes,
        one_item_per_request=config.call.one_item_per_request,
        share_of_rate=config.api.share_of_rate,
        strict_mode=config.api.strict_mode,
    )
