"""Finds the records that a run has to deliver, and plans their delivery: ledger → planning."""

from __future__ import annotations

from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger, planning, source
from cio_spark.config import ErrorHandlingStrategy, SyncConfig
from cio_spark.model import DeliveryPlan, Slots, StateCounts
from cio_spark.pipeline.checks import SourceChecks
from cio_spark.results import Tables


@dataclass(frozen=True)
class SurveyResult:
    """Holds the records that a run has to deliver, their counts and the plan of the delivery.

    Attributes:
        records: all classified records, as a lazy DataFrame.
        deliverable: the records that go through the delivery: new, changed, again and invalid ones.
        counts: source rows by state.
        plan: plan of the delivery.
    """

    records: DataFrame
    deliverable: DataFrame
    counts: StateCounts
    plan: DeliveryPlan


def survey(
    config: SyncConfig,
    tables: Tables,
    records: DataFrame,
    checks: SourceChecks,
    earlier: DataFrame | None,
    *,
    slots: Slots,
    retry_held: bool,
    count_everything: bool = False,
) -> SurveyResult:
    """Find the records that still have to be sent, and plan their delivery.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables.
        records: prepared and validated records of the pinned source.
        checks: checks of the source that were started in the background.
        earlier: `record_status` at a pinned version; None if the table does not exist.
        slots: task slots of the session.
        retry_held: also send records that were refused before with the same payload.
        count_everything: read every payload, also on a first run, which else reads a sample.

    Raises:
        ExpressionError: an expression of the payload, or of `order_by`, fails on a row.
    """
    known = _knows(earlier, config.sync.name)
    # Wait for the trial of the expressions before any query on the records, which may meet an expression that fails
    checks.tried.result()
    mean_bytes = None if known or count_everything else ledger.sample_bytes(records)
    source_rows = checks.rows.result()
    superseded = 0
    if checks.has_duplicates.result():
        superseded = source.count_superseded(records, config.source.order_by)
        records = source.drop_superseded(records, config.source.order_by)
    if earlier is None or not known:
        # No filter here: Spark would push it below the JSON that it depends on, and build every payload twice
        records = deliverable = ledger.mark_all_new(records)
    else:
        records = ledger.classify_records(
            records,
            ledger.latest_attempts(earlier, config.sync.name, dead_letters_awaiting_replay(config, tables)),
            ignore_changes=config.on_change == "ignore",
            hold=() if retry_held else held_statuses(config),
            accepted_persons=_accepted_persons(config, earlier) if retry_held else None,
        )
        deliverable = records.where(F.col("state").isin(*ledger.STATES_IN_DELIVERY))
    if mean_bytes is not None:
        counts = ledger.estimate_first_run(mean_bytes, source_rows=source_rows, superseded=superseded)
    else:
        counts = ledger.count_states(records, source_rows=source_rows, superseded=superseded)
    plan = plan_for(config, slots, counts.to_send, counts.payload_bytes)
    return SurveyResult(records, deliverable, counts, plan)


def held_statuses(config: SyncConfig) -> tuple[str, ...]:
    """Return the statuses with which a record is held: it is not tried again until its payload changes.

    A suppression or deletion that the API refused is not held: it is tried on every run until it is accepted. A record
    that our own validation refused is held for every call: the result for the same bytes would be the same each time.
    """
    if not config.call.is_held:
        return ("invalid",)
    return ("rejected", "invalid", "failed")


def _accepted_persons(config: SyncConfig, earlier: DataFrame) -> DataFrame | None:
    """Return the newest accepted call of each person, which older calls must not overwrite; None if that rule is off.

    It is off for calls that do not overwrite all that is known of a person, and for calls that are never held.
    """
    if not config.call.is_held or not config.call.overwrites_person:
        return None
    return ledger.accepted_persons(earlier, config.sync.name)


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


def _knows(earlier: DataFrame | None, sync: str) -> bool:
    """Tell whether an earlier run of the sync wrote any row."""
    return earlier is not None and not earlier.where(F.col("sync") == sync).limit(1).isEmpty()


def dead_letters_awaiting_replay(config: SyncConfig, tables: Tables) -> DataFrame | None:
    """Return the sync's dead letters if failed records wait in them for a replay; else None."""
    if config.batch.error_handling is not ErrorHandlingStrategy.DEAD_LETTER_QUEUE:
        return None
    letters = tables.read("dead_letters", tables.version("dead_letters")) if tables.exists("dead_letters") else None
    return None if letters is None else letters.where(F.col("sync") == config.sync.name)
