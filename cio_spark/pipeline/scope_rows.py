"""Reads the rows of an incremental run: those whose keys have changed, and those that wait to be tried again."""

from __future__ import annotations

from dataclasses import replace

from pyspark.sql import Column, DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger, source
from cio_spark.config import SyncConfig
from cio_spark.payload import subject_column
from cio_spark.pipeline.keys import KEY, Keys, keep_keys, key_of
from cio_spark.pipeline.known_records import KnownRecords, dead_letters_awaiting_replay
from cio_spark.pipeline.scope import RunScope, retried_statuses
from cio_spark.pipeline.used_columns import used_columns
from cio_spark.results import Staging, Tables
from cio_spark.source import Snapshot
from cio_spark.spark import failures as spark_errors


class UnreadableChangesError(Exception):
    """Says that the change feed cannot be read; the text is a phrase for people."""


def find_keys(
    config: SyncConfig, tables: Tables, snapshot: Snapshot, scope: RunScope, earlier: DataFrame, staging: Staging | None
) -> Keys:
    """Find the keys that an incremental run looks at.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables.
        snapshot: the pinned source.
        scope: scope of the run.
        earlier: `record_status` at a pinned version.
        staging: table for the keys if they are many; None to write nothing.

    Raises:
        UnreadableChangesError: the change feed cannot be read.
    """
    keys: list[DataFrame] = []
    if scope.pending_since is not None:
        letters = dead_letters_awaiting_replay(config, tables)
        statuses = retried_statuses(config)
        pending = ledger.pending_keys(earlier, config.sync.name, scope.pending_since, statuses, letters)
        keys.append(pending.select(key_of(F.col("record_id")).alias(KEY)))
    if scope.choice.changed_rows is None:
        return keep_keys(keys[0], staging)
    try:
        keys.append(_changed_keys(config, tables, snapshot, scope))
        found = keys[0].unionAll(keys[1]) if len(keys) > 1 else keys[0]
        return keep_keys(found.distinct(), staging, expected=scope.choice.changed_rows)
    except UnreadableChangesError:
        raise
    except Exception as error:  # whatever its class: to compare all rows needs nothing of the feed
        kind = spark_errors.error_class(error) or type(error).__name__
        raise UnreadableChangesError(f"the change feed cannot be read ({kind})") from None


def _changed_keys(config: SyncConfig, tables: Tables, snapshot: Snapshot, scope: RunScope) -> DataFrame:
    assert scope.covered is not None
    assert snapshot.version is not None
    assert snapshot.name is not None
    feed = source.read_changes(tables.spark, snapshot.name, scope.covered.version, snapshot.version)
    # The feed has the newest columns of the table, which may not be those of the pinned version
    for name in config.payload.record_id_columns:
        if name not in feed.columns or feed.schema[name].dataType != snapshot.rows.schema[name].dataType:
            raise UnreadableChangesError(f"the change feed has another column {name} than the pinned version")
    return feed.select(key_of(record_id_of(config, feed)).alias(KEY))


def record_id_of(config: SyncConfig, rows: DataFrame) -> Column:
    """Return the record id of source rows."""
    return subject_column(rows, config.payload, "record_id")


def rows_of_keys(config: SyncConfig, snapshot: Snapshot, keys: Keys, staging: Staging) -> Snapshot:
    """Stage the source rows of the keys, and return them as a source that stays the same.

    Args:
        config: configuration of the sync.
        snapshot: the pinned source.
        keys: the keys that the run looks at.
        staging: table for the rows.
    """
    rows = keys.keep(snapshot.rows, record_id_of(config, snapshot.rows))
    if keys.count:
        rows = staging.stage(rows, used_columns(config, snapshot.rows), expected=keys.count)
    return replace(snapshot, rows=rows)


def count_gone(keys: Keys, records: DataFrame, known: KnownRecords) -> int:
    """Count the keys of which a record was accepted before, and that no row of the source has any more.

    Args:
        keys: the keys that the run looks at.
        records: the prepared records of these keys.
        known: what earlier runs made of them.
    """
    missing = keys.without(records, F.col("record_id"))
    accepted = known.latest.where(F.col("accepted_message_id").isNotNull())
    return missing.join(accepted, F.col(KEY) == F.col("key"), "left_semi").count()
