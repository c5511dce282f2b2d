"""Sends dead letters again, under their own message ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import Column, DataFrame, Row, SparkSession, Window
from pyspark.sql import functions as F

from cio_spark import ledger, results
from cio_spark.clock import Clock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.delivery import check_api, engine, probe_settings
from cio_spark.errors import ExitStatus
from cio_spark.ids import TIME_CHARACTERS
from cio_spark.logs.style import LogStyle
from cio_spark.model import DeliveryCounts, RunKind, Slots, StateCounts, SyncResult
from cio_spark.pipeline.books import close_books, make_books
from cio_spark.pipeline.exit_status import decide_exit_status
from cio_spark.pipeline.progress import Progress
from cio_spark.pipeline.run_context import RunContext, SourcePin
from cio_spark.pipeline.run_end import finish_run
from cio_spark.pipeline.run_failure import fail_run
from cio_spark.pipeline.survey import SurveyResult, plan_for
from cio_spark.pipeline.waves import cut_waves, deliver_waves
from cio_spark.planning import survey_seconds
from cio_spark.results import Tables
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.schemas import RECORD_KEY_SQL
from cio_spark.spark.fixed_settings import with_fixed_settings


@dataclass(frozen=True)
class Letters:
    """Selects dead letters; a criterion that is None selects all.

    Attributes:
        run: id of the run that wrote the dead letters.
        category: error category of the dead letters.
        record: record id of the dead letters.
    """

    run: str | None = None
    category: str | None = None
    record: str | None = None


@with_fixed_settings
def replay_sync(
    config: SyncConfig,
    *,
    spark: SparkSession,
    api_key: ApiKey,
    warehouse: Path | None = None,
    letters: Letters | None = None,
    progress: Progress | None = None,
    clock: Clock | None = None,
    cancellation: Cancellation | None = None,
    take_over: bool = False,
    job_attempt: str | None = None,
    same_workspace: bool = False,
    executor_log: LogStyle = LogStyle.OFF,
) -> SyncResult:
    """Send the newest dead letter of each record of a sync again, with the message id that it had.

    Two kinds of letters are counted but not sent. `superseded`: the record, or a newer version of it, was accepted in a
    later run; for calls that overwrite all that is known of a person, the person's newest accepted call counts. `held`:
    the letter has no payload, or our own validation refused it, which only a change of the source can correct. Many
    letters are sent in waves, as in a run, with one commit for each wave.

    Args:
        config: configuration of the sync.
        spark: the session.
        api_key: API key of the workspace.
        warehouse: folder of local tables; None if the tables are in the catalog.
        letters: the dead letters to send; None for all.
        progress: listener that is told the progress of the run; None for none.
        clock: source of time; None for the system's clock.
        cancellation: asks the run to stop; None if nothing does.
        take_over, job_attempt, same_workspace, executor_log: see `run_sync`.

    Returns:
        the result of the run that sent them, as of `run_sync`.

    Raises:
        CioSparkError: the run could not start, or Spark failed.
    """
    run = RunContext(
        config,
        RunKind.REPLAY,
        spark=spark,
        api_key=api_key,
        warehouse=warehouse,
        progress=progress,
        clock=clock,
        cancellation=cancellation,
        take_over=take_over,
        job_attempt=job_attempt,
        same_workspace=same_workspace,
        executor_log=executor_log,
    )
    with run.starting("check"):
        check_api(probe_settings(config, api_key))
        engine.check_api_from_worker(spark, probe_settings(config, api_key), config.delivery.engine)
        run.set_up_tables()
    work, delivery, staging = None, DeliveryCounts(), None
    try:
        with run.starting("claim"):
            run.claim_sync(run.read_claims(), SourcePin("dead letters", None))
        staging = results.Staging(run.tables, run.claim.run_id)
        with run.at_work():
            with run.phases.phase("survey"):
                began = run.clock.monotonic()
                work = _survey(config, run.tables, letters or Letters(), run.slots)
                if work.counts.again:
                    run.lease.expect(survey_seconds(work.counts.source_rows, run.slots.count))
                took = run.clock.monotonic() - began
                waves = cut_waves(config, work, staging, run.slots, surveyed_seconds=took, is_replay=True)
            deliver_waves(run, work, waves)
            delivery = close_books(run, work, waves)
            staging.drop()
        counts = work.counts
        books = make_books(work, delivery, run.waves_done)
        exit_status, message = decide_exit_status(config, books, run.cancellation)
        if exit_status is ExitStatus.SUCCESS and counts.held + counts.superseded:
            message = (
                f"{counts.superseded:,} left out for a newer accepted version, {counts.held:,} because only the source "
                "can mend them or no payload was kept"
            )
        return finish_run(run, books, exit_status, message, work.plan if counts.again else None)
    except BaseException as error:
        fail_run(run, error, work, delivery, staging)
        raise


def _survey(config: SyncConfig, tables: Tables, letters: Letters, slots: Slots) -> SurveyResult:
    """Find the letters to send again, count them by state, and plan their delivery."""
    judged = _judged(config, tables, letters)
    tally = {row["state"]: row for row in _tallied(judged)}
    counts = StateCounts(
        source_rows=judged.count(),
        superseded=_records(tally, "superseded"),
        held=_records(tally, "held"),
        again=_records(tally, "again"),
        invalid=0,
        payload_bytes=int(tally["again"]["bytes"] or 0) if "again" in tally else 0,
    )
    chosen = judged.where(F.col("state") == "again")
    return SurveyResult(chosen, chosen, counts, plan_for(config, slots, counts.again, counts.payload_bytes))


def _records(tally: dict[str, Row], state: str) -> int:
    return int(tally[state]["records"]) if state in tally else 0


def _judged(config: SyncConfig, tables: Tables, letters: Letters) -> DataFrame:
    """Return the newest letter of each record with its state: `again`, `superseded` or `held`."""
    sync = config.sync.name
    dead = tables.read("dead_letters", tables.version("dead_letters")).where(F.col("sync") == sync)
    for column, wanted in (
        ("run_id", letters.run),
        ("error_category", letters.category),
        ("record_id", letters.record),
    ):
        if wanted is not None:
            dead = dead.where(F.col(column) == wanted)
    newest = Window.partitionBy(F.expr(RECORD_KEY_SQL)).orderBy(F.col("run_id").desc())
    dead = dead.withColumn("__rank", F.row_number().over(newest)).where("__rank = 1").drop("__rank")
    statuses = tables.read("record_status", tables.version("record_status"))
    accepted = statuses.where((F.col("sync") == sync) & (F.col("status") == "accepted"))
    # The newest run that accepted the record, in this version or a newer one
    mine = accepted.groupBy("record_id").agg(F.max("run_id").alias("accepted_in"))
    joined = dead.join(mine, "record_id", "left")
    superseded: Column = F.col("accepted_in") > F.col("run_id")
    if config.call.overwrites_person:
        # A message id begins with the record's time, or with zeros if it has none; then the run ids are compared
        time = F.substring("message_id", 1, TIME_CHARACTERS)
        joined = joined.join(ledger.accepted_persons(statuses, sync), "person_key", "left")
        superseded = superseded | (F.col("accepted_person") > F.struct(time.alias("time"), F.col("run_id")))
    unsendable = F.col("message_id").isNull() | F.col("payload").isNull()
    state = F.when(F.coalesce(superseded, F.lit(False)), "superseded").when(unsendable, "held").otherwise("again")
    return joined.select(
        "record_id",
        "person_key",
        "occurred_at",
        "payload",
        "payload_hash",
        F.octet_length("payload").alias("payload_bytes"),
        "message_id",
        # Null, so that the recovery of a dead replay marks nothing as in doubt: the letter is the newest attempt of its
        # record, so the record is pending or waits for a replay in any case
        F.lit(None).cast("string").alias("accepted_message_id"),
        F.lit(None).cast("string").alias("error_code"),
        F.lit(None).cast("string").alias("error_message"),
        F.lit(None).cast("bigint").alias("source_hash"),
        state.alias("state"),
    )


def _tallied(judged: DataFrame) -> list[Row]:
    sums = judged.groupBy("state").agg(
        F.count(F.lit(1)).alias("records"), F.sum(F.col("payload_bytes").cast("bigint")).alias("bytes")
    )
    return sums.collect()
