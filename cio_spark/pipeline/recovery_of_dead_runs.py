"""Recovers runs that died: writes `in_doubt` rows for records that may have been sent without being recorded.

Customer.io may have a version of a record that no run has recorded as accepted. Example: version A was accepted, a run
that died may have sent version B, and the source then goes back to A. The record would look unchanged and would never
be sent again. Such records get a `failed` row with the code `in_doubt`, which makes them pending. Records that were
never accepted are pending anyway.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger, results, source
from cio_spark.config import SyncConfig
from cio_spark.errors import RunCancelledError
from cio_spark.pipeline.checks import prepare_and_validate, try_on_rows
from cio_spark.pipeline.known_records import dead_letters_awaiting_replay, failed_wait_for_replay, held_statuses
from cio_spark.results import LostRun, Staging, Tables
from cio_spark.schemas import RECORD_KEY_SQL
from cio_spark.spark.failures import explain_failure
from cio_spark.spark.fixed_settings import fix_settings


def write_in_doubt(config: SyncConfig, tables: Tables, run_id: str, deliverable: DataFrame) -> None:
    """Append `in_doubt` rows for records that a run may have sent but never recorded.

    Only records of which an earlier version was accepted get a row; the others are pending without it. Invalid records
    were not sent.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables.
        run_id: id of the run.
        deliverable: the classified records that the run was about to send.
    """
    sent = deliverable.where(F.col("accepted_message_id").isNotNull() & F.col("error_code").isNull())
    with_ids = ledger.add_message_id(sent, config.sync.name)
    results.append_in_doubt(
        tables, with_ids, run_id=run_id, sync=config.sync.name, operation_type=config.operation_type
    )


def recover_lost_run(config: SyncConfig, tables: Tables, lost: LostRun) -> None:
    """Recover a run whose process is gone, from its staging or from the source version that it had pinned.

    A run stages what it sends in another version than before. If nothing is staged, and the records cannot be computed
    again (the version was vacuumed, an expression fails), no row is needed: the records had never been sent before.

    Args:
        config: present configuration of the sync, used if the run's own configuration cannot be read.
        tables: access to the Delta tables.
        lost: what the run recorded about itself when it started.

    Raises:
        Exception: Spark failed to write; the run is then not marked as settled, and the next run tries again.
    """
    staging = Staging(tables, lost.run_id)
    then = configuration_of(lost) or config
    with fix_settings(tables.spark, then.payload.time_zone):
        _recover_as(then, tables, lost, staging)


def _recover_as(then: SyncConfig, tables: Tables, lost: LostRun, staging: Staging) -> None:
    """Recover a lost run with the configuration that it had."""
    sync = then.sync.name
    dead = results.has_dead(tables, lost.run_id, sync)
    if then.on_change != "send" and not dead:
        staging.drop()  # an accepted record is never sent in another version, so no record can be in doubt
        return
    deliverable = staging.waves()
    if deliverable is not None:
        in_doubt: DataFrame | None = _unwritten_wave(tables, lost, sync, deliverable)
        deliverable = deliverable.drop("wave")
    else:
        deliverable = surveyed(then, tables, lost, staging)
        in_doubt = None if results.has_committed_statuses(tables, lost.run_id, sync) else deliverable
    if in_doubt is not None and then.on_change == "send":
        write_in_doubt(then, tables, lost.run_id, in_doubt)
    if deliverable is not None and dead:
        write_dead_letters(then, tables, lost.run_id, deliverable)
    staging.drop()


def _unwritten_wave(tables: Tables, lost: LostRun, sync: str, staged: DataFrame) -> DataFrame:
    """Return the records of the first wave with rows that the run did not write; later waves were never started."""
    written = (
        tables.read("record_status", tables.version("record_status"))
        .where((F.col("sync") == sync) & (F.col("run_id") == lost.run_id))
        .select(F.expr(RECORD_KEY_SQL).alias("key"))
    )
    keyed = staged.withColumn("key", F.expr(RECORD_KEY_SQL))
    wave = keyed.join(written, "key", "left_anti").agg(F.min("wave").alias("wave")).collect()[0]["wave"]
    return staged.where(F.col("wave") == F.lit(wave)).drop("wave")


def write_dead_letters(config: SyncConfig, tables: Tables, run_id: str, records: DataFrame) -> None:
    """Append the records that a run could not deliver to `dead_letters`."""
    results.append_dead_letters(
        tables,
        records,
        run_id=run_id,
        sync=config.sync.name,
        include_failed=failed_wait_for_replay(config),
        store_payloads=config.dead_letters.store_payloads,
    )


def configuration_of(lost: LostRun) -> SyncConfig | None:
    """Return the configuration that the run had; None if this package version cannot read it."""
    try:
        said: dict[str, Any] = json.loads(lost.configuration or "")
        said["api"].pop("url", None)
        return SyncConfig.model_validate(said)
    except (ValueError, KeyError, TypeError):
        return None


def surveyed(config: SyncConfig, tables: Tables, lost: LostRun, staging: Staging) -> DataFrame | None:
    """Return the records that the run was about to send; None if that is impossible.

    They are read from the run's staging if it wrote them there, and are else computed again from the rows that it saw.
    """
    kept = staging.records()
    if kept is not None:
        return kept
    try:
        records = _records_again(config, tables, lost, staging)
    except Exception as error:  # e.g. the version was vacuumed, a column was dropped, an expression fails
        if isinstance(explain_failure(error, {}), RunCancelledError):
            raise
        return None
    if records is None:
        return None
    statuses = tables.read("record_status", tables.version("record_status")).where(F.col("run_id") < lost.run_id)
    classified = ledger.classify_records(
        records,
        ledger.latest_attempts(statuses, config.sync.name, dead_letters_awaiting_replay(config, tables)),
        ignore_changes=config.on_change == "ignore",
        hold=held_statuses(config),
    )
    return classified.where(F.col("state").isin(*ledger.STATES_IN_DELIVERY))


def _records_again(config: SyncConfig, tables: Tables, lost: LostRun, staging: Staging) -> DataFrame | None:
    """Return the records of the rows that the run saw, and evaluate them once; None if the run pinned no rows."""
    rows = staging.rows()
    if rows is None:
        if lost.source_version is None:
            return None
        attach = tables.attach_source
        rows = source.open_source(tables.spark, config.source, attach, version=lost.source_version).rows
    records = prepare_and_validate(config, rows)
    try_on_rows(config, rows)
    # Evaluate every record id and payload hash here, so that an expression that fails does so before any write
    records.agg(F.bit_xor("payload_hash")).collect()
    if source.has_duplicates(records):
        records = source.drop_superseded(records, config.source.order_by)
    return records
