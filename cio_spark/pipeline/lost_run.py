"""Settles runs that died: what may have been sent is written down, so that the next run does not trust the past.

Customer.io may hold a version of a record that no run has confirmed. If the source then goes back to the version that
was accepted before, the record looks unchanged, and would never be sent: A accepted, B in doubt, A again. Such records
get a row `failed` with the code `in_doubt`, which makes them pending. Records never accepted are pending anyway.
"""

from __future__ import annotations

import json
from typing import Any

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger, results, source
from cio_spark.config import ErrorHandlingStrategy, SyncConfig
from cio_spark.pipeline.checks import prepare_and_validate, try_on_rows
from cio_spark.pipeline.survey import held_statuses, waiting_letters
from cio_spark.results import LostRun, Staging, Tables
from cio_spark.schemas import RECORD_KEY
from cio_spark.spark.fixed_settings import fix_settings


def write_in_doubt(config: SyncConfig, tables: Tables, run_id: str, deliverable: DataFrame) -> None:
    """Writes down what a run may have sent without knowing: what it would have sent and did not write.

    Args:
        config: the sync.
        tables: where the tables are.
        run_id: the run.
        deliverable: what it was about to send: classified records.
    """
    sent = ledger.add_message_id(deliverable.where(F.col("accepted_message_id").isNotNull()), config.sync.name)
    results.append_in_doubt(tables, sent, run_id=run_id, sync=config.sync.name, operation_type=config.operation_type)


def recover_lost_run(config: SyncConfig, tables: Tables, lost: LostRun) -> None:
    """Settles a run whose process is gone, from its staging, or from the version of the source it had pinned.

    What can be worked out no more (the version was vacuumed, an expression fails) is left as it is: those records then
    count as what `record_status` says of them.

    Args:
        config: the sync as it is now.
        tables: where the tables are.
        lost: what the run said of itself when it started.

    Raises:
        Exception: what Spark raises while it writes; nothing is marked as settled then, and the next run tries again.
    """
    staging = Staging(tables, lost.run_id)
    then = configuration_of(lost) or config
    with fix_settings(tables.spark, then.payload.time_zone):
        _recover_as(then, tables, lost, staging)


def _recover_as(then: SyncConfig, tables: Tables, lost: LostRun, staging: Staging) -> None:
    """Settle a lost run under the configuration that it had."""
    dead = results.has_dead(tables, lost.run_id, then.sync.name)
    if then.on_change != "send" and not dead:
        staging.drop()  # what was sent once is never sent in another version: there is nothing to say of it
        return
    deliverable = staging.waves()
    if deliverable is not None:
        in_doubt: DataFrame | None = _unwritten_wave(tables, lost, then.sync.name, deliverable)
        deliverable = deliverable.drop("wave")
    else:
        deliverable = surveyed(then, tables, lost, staging)
        in_doubt = None if results.has_written(tables, lost.run_id, then.sync.name) else deliverable
    if in_doubt is not None and then.on_change == "send":
        write_in_doubt(then, tables, lost.run_id, in_doubt)
    if deliverable is not None and dead:
        write_dead_letters(then, tables, lost.run_id, deliverable)
    staging.drop()


def _unwritten_wave(tables: Tables, lost: LostRun, sync: str, staged: DataFrame) -> DataFrame:
    """The first wave with rows that the run did not write: later ones were never started."""
    written = (
        tables.read("record_status", tables.version("record_status"))
        .where((F.col("sync") == sync) & (F.col("run_id") == lost.run_id))
        .select(F.expr(RECORD_KEY).alias("key"))
    )
    keyed = staged.withColumn("key", F.expr(RECORD_KEY))
    wave = keyed.join(written, "key", "left_anti").agg(F.min("wave").alias("wave")).collect()[0]["wave"]
    return staged.where(F.col("wave") == F.lit(wave)).drop("wave")


def write_dead_letters(config: SyncConfig, tables: Tables, run_id: str, records: DataFrame) -> None:
    """Keeps what a run could not deliver."""
    results.append_dead_letters(
        tables,
        records,
        run_id=run_id,
        sync=config.sync.name,
        include_failed=config.batch.error_handling is ErrorHandlingStrategy.DEAD_LETTER_QUEUE,
        store_payloads=config.dead_letters.store_payloads,
    )


def configuration_of(lost: LostRun) -> SyncConfig | None:
    """The configuration the run had; None where this version cannot read it any more."""
    try:
        said: dict[str, Any] = json.loads(lost.configuration or "")
        said["api"].pop("url", None)
        return SyncConfig.model_validate(said)
    except (ValueError, KeyError, TypeError):
        return None


def surveyed(config: SyncConfig, tables: Tables, lost: LostRun, staging: Staging) -> DataFrame | None:
    """What the run was about to send, worked out again from the rows it saw; None where that is impossible."""
    try:
        records = _records_again(config, tables, lost, staging)
    except Exception:  # the version was vacuumed, a column dropped, an expression fails: there is nothing to work with
        return None
    if records is None:
        return None
    statuses = tables.read("record_status", tables.version("record_status")).where(F.col("run_id") < lost.run_id)
    classified = ledger.classify_records(
        records,
        ledger.latest_attempts(statuses, config.sync.name, waiting_letters(config, tables)),
        ignore_changes=config.on_change == "ignore",
        hold=held_statuses(config),
    )
    return classified.where(F.col("state").isin(*ledger.DELIVERED))


def _records_again(config: SyncConfig, tables: Tables, lost: LostRun, staging: Staging) -> DataFrame | None:
    """The records of the rows that the run saw, read once to see that they can be; None where nothing was pinned."""
    rows = staging.rows()
    if rows is None:
        if lost.source_version is None:
            return None
        attach = tables.attach_source
        rows = source.open_source(tables.spark, config.source, attach, version=lost.source_version).rows
    records = prepare_and_validate(config, rows)
    try_on_rows(config, rows)
    # Evaluates every record id and payload hash, so that what fails, fails here
    records.agg(F.bit_xor("payload_hash")).collect()
    if source.has_duplicates(records):
        records = source.drop_superseded(records, config.source.order_by)
    return records
