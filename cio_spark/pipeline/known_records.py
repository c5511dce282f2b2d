"""Reads what earlier runs made of the records that a run looks at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger
from cio_spark.config import ErrorHandlingStrategy, SyncConfig
from cio_spark.pipeline.keys import MOST_IN_MEMORY, Keys
from cio_spark.results import RunState, Tables
from cio_spark.spark.versions import from_arrow, to_arrow


@dataclass(frozen=True)
class KnownRecords:
    """Holds what earlier runs made of the records of a sync.

    Attributes:
        latest: the last attempts, as `ledger.latest_attempts` returns them.
        accepted_persons: newest accepted call of each person, as `ledger.accepted_persons` returns them; None if older
            calls may overwrite it.
        hold: statuses with which a record is held, see `held_statuses`.
    """

    latest: DataFrame
    accepted_persons: DataFrame | None
    hold: tuple[str, ...]


def read_known_records(
    config: SyncConfig,
    tables: Tables,
    earlier: DataFrame,
    *,
    retry_held: bool = False,
    keys: Keys | None = None,
) -> KnownRecords:
    """Read the last attempts of a sync's records.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables.
        earlier: `record_status` at a pinned version.
        retry_held: whether records that were refused before are tried again.
        keys: the keys that the run looks at; None for all.
    """
    name = config.sync.name
    mine = earlier.where(F.col("sync") == name)
    if keys is not None:
        mine = keys.keep(mine, F.col("record_id"))
    latest = ledger.latest_attempts(mine, name, dead_letters_awaiting_replay(config, tables))
    if keys is not None and keys.are_few:
        # Several queries of the run join with these rows, and each would read the whole table again
        few = to_arrow(latest.limit(MOST_IN_MEMORY + 1))
        # The rows without a record id have one key, and may be many
        if few.num_rows <= MOST_IN_MEMORY:
            latest = from_arrow(tables.spark, few)
    return KnownRecords(
        latest,
        _accepted_persons(config, earlier) if retry_held else None,
        () if retry_held else held_statuses(config),
    )


def knows_records(tables: Tables, earlier: DataFrame, sync: str, runs: Sequence[RunState]) -> bool:
    """Tell whether an earlier run of the sync may have written any row.

    Args:
        tables: access to the Delta tables.
        earlier: `record_status` at a pinned version.
        sync: name of the sync.
        runs: earlier runs of the sync.
    """
    if tables.is_untouched("record_status"):
        return False
    if any(run.may_have_written for run in runs):
        return True
    # Rows of sync_runs may have been deleted
    return not earlier.where(F.col("sync") == sync).limit(1).isEmpty()


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


def failed_wait_for_replay(config: SyncConfig) -> bool:
    """Tell whether a failed record waits in a dead letter for a replay, and is not tried by the next run."""
    return config.batch.error_handling is ErrorHandlingStrategy.DEAD_LETTER_QUEUE


def dead_letters_awaiting_replay(config: SyncConfig, tables: Tables) -> DataFrame | None:
    """Return the sync's dead letters if failed records wait in them for a replay; else None."""
    if not failed_wait_for_replay(config):
        return None
    letters = tables.read("dead_letters", tables.version("dead_letters")) if tables.exists("dead_letters") else None
    return None if letters is None else letters.where(F.col("sync") == config.sync.name)
