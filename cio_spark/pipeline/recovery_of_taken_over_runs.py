"""Recovers records that a run may have sent after another run took its sync over.

Customer.io may then have the version that the older run sent last, while the tables say that it has the version of the
newer run. Such records get a `failed` row with the code `in_doubt`, under a run id newer than both, so they are sent
again.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger, results
from cio_spark.clock import Clock
from cio_spark.config import SyncConfig
from cio_spark.ids import TIME_CHARACTERS
from cio_spark.pipeline.recovery_of_dead_runs import configuration_of, surveyed
from cio_spark.pipeline.unfinished_persons import all_is_recorded, unfinished_records
from cio_spark.results import Claim, LostRun, Staging, Tables
from cio_spark.runtime import owner
from cio_spark.schemas import RECORD_KEY_SQL, SENT_COLUMNS, WAS_SENT_SQL
from cio_spark.spark.fixed_settings import fix_settings


def register_and_recover_take_over(
    config: SyncConfig, tables: Tables, claim: Claim, wave: int, *, clock: Clock
) -> None:
    """Register that a wave of a taken-over run may have been sent at the same time as another run, and recover it.

    While the other run is alive, its records are not known: then a later run recovers the wave.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables.
        claim: claim of the run that was taken over.
        wave: number of the wave.
        clock: source of time.
    """
    stand_in = results.register_taken_over(tables, claim, wave, owner=owner(), clock=clock)
    now = clock.now()
    if all(run.ended for run in results.read_history(tables, claim.sync, now).runs):
        recover_taken_over(config, tables, stand_in)
        settled = {"run_id": stand_in.run_id, "sync": claim.sync, "event": "settled", "at": clock.now()}
        results.append_events(tables, [settled])


def recover_taken_over(config: SyncConfig, tables: Tables, lost: LostRun) -> None:
    """Append `in_doubt` rows for records of a taken-over wave of which a later run had another version accepted.

    If the call overwrites state, append rows also for other, newer records of the same persons that a later run had
    accepted, if the wave may have arrived after that run began.

    Args:
        config: present configuration of the sync, used if the run's own configuration cannot be read.
        tables: access to the Delta tables.
        lost: the run that stands for the taken-over one.
    """
    then = configuration_of(lost) or config
    if then.on_change == "send":  # else an accepted record is never sent in another version
        with fix_settings(tables.spark, then.payload.time_zone):
            _write_in_doubt(then, tables, lost)


def _write_in_doubt(then: SyncConfig, tables: Tables, lost: LostRun) -> None:
    taken_over = str(lost.taken_over_run)
    sync = then.sync.name
    statuses = tables.read("record_status", tables.version("record_status")).where(F.col("sync") == sync)
    keyed = statuses.withColumn("key", F.expr(RECORD_KEY_SQL))
    mine = (F.col("run_id") == F.lit(taken_over)) & ~F.coalesce(F.col("error_code") == results.IN_DOUBT, F.lit(False))
    newer_runs = statuses.where(F.col("run_id") > F.lit(taken_over))
    later = ledger.newest_accepted(newer_runs).withColumnRenamed("accepted", "later")
    of_wave = F.col("batch_id").contains(f"-{taken_over}-w{lost.taken_over_wave}-p")
    written = keyed.where(mine & F.expr(WAS_SENT_SQL) & of_wave).select("key", *SENT_COLUMNS, "attempted_at", "status")
    sent = _unwritten(then, tables, lost, keyed.where(mine)) if written.isEmpty() else written
    if sent is None:  # the sent records are unknown: every record accepted since may have been overwritten
        in_doubt = _under_another_id(later.select("later.*"))
    else:
        other = F.col("later.payload_hash") != F.col("payload_hash")
        in_doubt = _under_another_id(sent.join(later, "key").where(other).select(*SENT_COLUMNS))
        if then.call.overwrites_state:
            beside = _sent_beside(then, tables, taken_over, sent)
            newer = later.select("later.*").withColumnRenamed("record_id", "later_id").join(beside, "person_key")
            is_newer = (F.substring("message_id", 1, TIME_CHARACTERS) >= F.col("time")) & (
                F.col("later_id") != F.col("beside_id")
            )
            overwritten = newer.where(is_newer).withColumnRenamed("later_id", "record_id").select(*SENT_COLUMNS)
            recorded = all_is_recorded(tables, sync, since=taken_over)
            unfinished = unfinished_records(written, newer_runs, later, all_is_recorded=recorded)
            # One row for each record is enough; the row of the version that the wave sent goes first
            for more in (_under_another_id(overwritten), unfinished):
                in_doubt = in_doubt.unionByName(more.join(in_doubt, "record_id", "left_anti").distinct())
    results.append_in_doubt(tables, in_doubt, run_id=lost.run_id, sync=sync, operation_type=then.operation_type)


def _under_another_id(records: DataFrame) -> DataFrame:
    """Forget the ids of records: under them, Customer.io could take what is sent again for duplicates."""
    return records.withColumn("message_id", F.lit(None).cast("string"))


def _unwritten(config: SyncConfig, tables: Tables, lost: LostRun, written: DataFrame) -> DataFrame | None:
    """Return the records that the taken-over run was to send and did not write; None if its rows cannot be read."""
    taken_over = LostRun(str(lost.taken_over_run), lost.configuration, lost.source_version)
    deliverable = surveyed(config, tables, taken_over, Staging(tables, taken_over.run_id))
    if deliverable is None:
        return None
    keyed = deliverable.where(F.col("error_code").isNull()).withColumn("key", F.expr(RECORD_KEY_SQL))
    unwritten = keyed.join(written.select("key"), "key", "left_anti")
    sent = ledger.add_message_id(unwritten, config.sync.name).select("key", *SENT_COLUMNS)
    return sent.withColumn("attempted_at", F.lit(None).cast("timestamp"))


def _sent_beside(config: SyncConfig, tables: Tables, taken_over: str, sent: DataFrame) -> DataFrame:
    """Return the records of the wave that may have arrived after the other run began.

    Such a record may be older than the record that the other run sent for the same person.

    Args:
        config: configuration that the taken-over run had.
        tables: access to the Delta tables.
        taken_over: id of the run that was taken over.
        sent: records that its wave sent; `attempted_at` is null if the time is unknown.

    Returns:
        a DataFrame with `person_key`, `beside_id` (the record id) and `time` (the first characters of its message id).
    """
    events = tables.read("sync_runs").where(F.col("sync") == config.sync.name)
    others = (F.col("event") == "started") & (F.col("run_id") > F.lit(taken_over)) & F.col("taken_over_run").isNull()
    times = events.agg(
        F.min(F.when(others, F.col("at"))).alias("began"),
        F.max(F.when(F.col("run_id") == F.lit(taken_over), F.col("send_until"))).alias("send_until"),
    )
    request = F.make_dt_interval(secs=F.lit(config.batch.timeout_seconds))
    # No request is started after `send_until`
    last = F.coalesce("attempted_at", "send_until")
    beside = sent.crossJoin(F.broadcast(times)).where(last > F.col("began") - request)
    time = F.substring("message_id", 1, TIME_CHARACTERS)
    return beside.select("person_key", F.col("record_id").alias("beside_id"), time.alias("time"))
