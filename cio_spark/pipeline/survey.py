"""Ledger → planning: what a run has to do."""

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
class Work:
    """What a run has to do.

    Attributes:
        records: classified records, lazily.
        deliverable: those of them that go through the delivery.
        counts: rows by state.
        plan: how the delivery is cut.
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
) -> Work:
    """Ledger → planning: what still needs sending, and how it is cut.

    Args:
        config: the sync.
        tables: where the tables are.
        records: prepared, judged records of the pinned source.
        checks: what was asked about them.
        earlier: `record_status` as earlier runs left it, at a pinned version; None: there is no such table.
        slots: task slots.
        retry_held: also try what was refused before with the same payload.
        count_everything: look at every payload, also on a first run.

    Raises:
        ExpressionError: an expression of the payload, or of `order_by`, fails on a row.
    """
    known = _knows(earlier, config.sync.name)
    # Before any query on the records, which may meet what fails
    checks.tried.result()
    mean_bytes = None if known or count_everything else ledger.sample_bytes(records)
    source_rows = checks.rows.result()
    superseded = 0
    if checks.has_duplicates.result():
        superseded = source.count_superseded(records, config.source.order_by)
        records = source.drop_superseded(records, config.source.order_by)
    if earlier is None or not known:
        # No filter: Spark would push it below the JSON it depends on, and build every payload twice
        records = deliverable = ledger.mark_all_new(records)
    else:
        records = ledger.classify_records(
            records,
            ledger.latest_attempts(earlier, config.sync.name, waiting_letters(config, tables)),
            ignore_changes=config.on_change == "ignore",
            hold=() if retry_held else held_statuses(config),
            accepted_persons=_accepted_persons(config, earlier) if retry_held else None,
        )
        deliverable = records.where(F.col("state").isin(*ledger.DELIVERED))
    if mean_bytes is not None:
        counts = ledger.expect_all_new(mean_bytes, source_rows=source_rows, superseded=superseded)
    else:
        counts = ledger.count_states(records, source_rows=source_rows, superseded=superseded)
    plan = plan_of(config, slots, counts.to_send, counts.payload_bytes)
    return Work(records, deliverable, counts, plan)


def held_statuses(config: SyncConfig) -> tuple[str, ...]:
    """Statuses with which a record is not tried again until its payload changes.

    What the API said of a suppression or deletion holds nothing: it is tried on every run until it is accepted. What
    our own validation says of the same bytes is the same every time, and would only be written down again.
    """
    if not config.call.is_held:
        return ("invalid",)
    return ("rejected", "invalid", "failed")


def _accepted_persons(config: SyncConfig, earlier: DataFrame) -> DataFrame | None:
    """What must not be overwritten by something older; None where no call does, or where it must be sent anyway."""
    if not config.call.is_held or not config.call.overwrites_person:
        return None
    return ledger.accepted_persons(earlier, config.sync.name)


def plan_of(config: SyncConfig, slots: Slots, records: int, payload_bytes: int) -> DeliveryPlan:
    """The plan for so many records of so many JSON bytes."""
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
    """Whether an earlier run of the sync wrote anything."""
    return earlier is not None and not earlier.where(F.col("sync") == sync).limit(1).isEmpty()


def waiting_letters(config: SyncConfig, tables: Tables) -> DataFrame | None:
    """Where failed records wait for a replay: the sync's dead letters."""
    if config.batch.error_handling is not ErrorHandlingStrategy.DEAD_LETTER_QUEUE:
        return None
    letters = tables.read("dead_letters", tables.version("dead_letters")) if tables.exists("dead_letters") else None
    return None if letters is None else letters.where(F.col("sync") == config.sync.name)
