"""Delivers records in waves: a wave is one set of persons, one Spark job and one commit.

A crash therefore costs one wave at most. A small run is one wave, read directly from the source. The records of a
larger run are staged once, by wave, so that no wave scans or classifies the source again
(docs/decisions/0006-waves.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from cio_spark import ledger, planning, results
from cio_spark.clock import Clock
from cio_spark.config import ErrorHandlingStrategy, SyncConfig
from cio_spark.delivery import delivery_settings, engine
from cio_spark.delivery.stop import StopCode
from cio_spark.errors import SyncTakenOverError
from cio_spark.model import DeliveryCounts, DeliveryPlan, Slots
from cio_spark.pipeline.progress import NullProgress
from cio_spark.pipeline.progress_meter import ProgressMeter
from cio_spark.pipeline.run_context import RunContext
from cio_spark.pipeline.spark_jobs import outside_the_callers_group
from cio_spark.pipeline.survey import SurveyResult, plan_for
from cio_spark.pipeline.watch import STARVED_SECONDS, DeliveryWatch
from cio_spark.results import Staging
from cio_spark.spark import failures as spark_errors

STOPPING_CODES = frozenset(code.value for code in StopCode if code is not StopCode.OUT_OF_TIME)
"""Codes of records that were not attempted because their partition stopped; after them no further wave is started.

`out_of_time` is not among them: the next wave has other persons and gets its own time.
"""
MOST_TRIES = 4
"""Tries of one wave when executors are lost: the default number of tries that Spark gives a task."""
# Texts by which Spark reports that a barrier stage lost a task, or found no slots: it has no exception types for them
_LOST = ("failed barrier ResultStage", "SPARK-24819")
_POLL_SECONDS = 0.5

MOST_OF_LEASE_UNSTAGED = 1 / 3
"""A single wave is sent without staging if the survey took at most this share of a lease."""


@dataclass(frozen=True)
class Wave:
    """Describes a part of a run's records that is delivered in one Spark job and one commit.

    Attributes:
        number: number of the wave, from 0.
        records: classified records, as a lazy DataFrame.
        rows: number of records, counted when they were staged or surveyed.
        plan: plan of the wave.
        is_retry_wave: whether its records were refused before, so that refusals say nothing about the configuration.
    """

    number: int
    records: DataFrame
    rows: int
    plan: DeliveryPlan
    is_retry_wave: bool = False


def cut_waves(
    config: SyncConfig,
    work: SurveyResult,
    staging: Staging,
    slots: Slots,
    *,
    surveyed_seconds: float,
    is_replay: bool = False,
) -> list[Wave]:
    """Cut the records into one wave, or stage them in several; records that were refused before get their own wave.

    A single wave is staged in two cases only, because its Spark job can else read the rows again and send the records:

    * It sends records that an earlier run may have sent in another version. If this run dies, the next one must find
      them, and the version of the source that this run has read may be gone by then.
    * The survey took more than `MOST_OF_LEASE_UNSTAGED` of a lease. To read the rows again could then use up the time
      in which the wave may send.

    Args:
        config: configuration of the sync.
        work: the records to deliver, and their counts.
        staging: table for the staged records.
        slots: task slots of the session.
        surveyed_seconds: seconds that the survey took.
        is_replay: whether the records are dead letters, which are in a table and of which none can be in doubt.
    """
    counts = work.counts
    delivery = config.delivery
    longest = planning.longest_wave_seconds(delivery.wave_minutes, delivery.lease_seconds)
    number = planning.count_waves(work.plan.eta_seconds, longest)
    if number == 1 and not counts.retried:
        rows = counts.to_send + (counts.invalid or 0)
        if not rows:
            return []
        may_be_in_doubt = counts.changed + counts.again > 0 and config.on_change == "send" and not is_replay
        takes_long = surveyed_seconds > MOST_OF_LEASE_UNSTAGED * delivery.lease_seconds
        if work.is_staged or not (takes_long or (may_be_in_doubt and not staging.has_rows)):
            return [Wave(0, work.deliverable, rows, work.plan)]
        return [Wave(0, staging.stage_records(work.deliverable), rows, work.plan)]
    staged = staging.stage_waves(work.deliverable, number, slots=slots.count, retries_apart=counts.retried > 0)
    cut = staged.groupBy("wave").agg(
        F.count(F.lit(1)).alias("rows"),
        F.sum(F.when(F.col("error_code").isNull(), 1).otherwise(0)).alias("to_send"),
        F.sum(F.when(F.col("error_code").isNull(), F.col("payload_bytes").cast("bigint")).otherwise(0)).alias("bytes"),
    )
    return [
        Wave(
            row["wave"],
            staged.where(F.col("wave") == row["wave"]).drop("wave"),
            row["rows"],
            plan_for(config, slots, row["to_send"], row["bytes"]),
            is_retry_wave=row["wave"] == number,
        )
        for row in sorted(cut.collect(), key=lambda row: int(row["wave"]))
    ]


def deliver_waves(run: RunContext, work: SurveyResult, waves: Sequence[Wave]) -> None:
    """Deliver wave after wave, until all are delivered or a reason to stop appears.

    Args:
        run: the run. Its cancellation is checked before each wave, and during a wave with the grace time. Its lease
            checks before every try of a wave, and after every wave, that no other run has taken the sync over. Its
            waves_done is updated, and is correct also if this function raises.
        work: the records to deliver, and their counts.
        waves: the waves; may be empty.

    Raises:
        SyncTakenOverError: another run has taken the sync over; to continue could overwrite newer values with older.
    """
    run.log.planned(work.counts, work.plan, len(waves), run.scope_choice)
    if waves:
        run.progress.planned(run.config.sync.name, work.plan)
        with run.phases.phase("deliver"):
            _deliver_all(run, waves)


def _deliver_all(run: RunContext, waves: Sequence[Wave]) -> None:
    config, waves_done, run_id = run.config, run.waves_done, run.claim.run_id
    expected = 0
    request_seconds = 0.0
    meter = ProgressMeter(run.clock, sum(wave.rows for wave in waves))
    try:
        for wave in waves:
            if run.cancellation.requested:
                return
            expected += wave.rows
            run.log.wave_started(wave.number, len(waves), wave.rows, wave.plan)
            try:
                _deliver(run, wave, request_seconds, meter, expected - wave.rows)
            except SyncTakenOverError:
                raise
            except Exception:
                if waves_done.may_still_send:
                    raise
                # The commit may have succeeded in spite of the exception. Who has cancelled the caller's job group may
                # have cancelled its future jobs too
                with outside_the_callers_group(run.tables.spark):
                    if results.count_statuses(run.tables, run_id, config.sync.name).persisted < expected:
                        run.lease.check(wave.number)
                        if run.cancellation.requested:
                            return
                        raise
            waves_done.commit_wave(wave.rows)
            run.log.wave_committed(wave.number)
            run.lease.check(wave.number)
            waves_done.unchecked_wave = None
            if len(waves) > 1:
                counts = results.count_statuses(run.tables, run_id, config.sync.name)
                run.log.counted(counts)
                if counts.persisted != expected or _says_stop(config, counts):
                    return
                request_seconds = counts.request_seconds / counts.requests if counts.requests else 0.0
            if waves_done.evaluated_again:
                return  # the next wave would be sent twice, too
    finally:
        waves_done.in_doubt = sum(wave.rows for wave in waves[waves_done.committed : waves_done.started])
        waves_done.not_started = sum(wave.rows for wave in waves[waves_done.started :])


def _says_stop(config: SyncConfig, counts: DeliveryCounts) -> bool:
    """Tell whether a partition stopped for a reason that applies to the later waves too."""
    if config.batch.error_handling is ErrorHandlingStrategy.FAIL_FAST and counts.failed + counts.rejected:
        return True
    return any(
        reason.code in STOPPING_CODES or reason.category == "authentication" or reason.code == "redirect"
        for reason in counts.reasons
    )


def _deliver(run: RunContext, wave: Wave, request_seconds: float, meter: ProgressMeter, done_before: int) -> None:
    """Send a wave and append its statuses in one Spark action; repeat it with the same ids if an executor was lost.

    Args:
        run: the run.
        wave: the wave.
        request_seconds: mean duration of the requests of this run so far.
        meter: computes the progress of the run.
        done_before: records of the waves before it.
    """
    config, waves_done = run.config, run.waves_done
    records = ledger.add_message_id(wave.records, config.sync.name)
    arranged = engine.arrange_records(records, wave.plan)
    progress = run.progress if config.batch.enable_monitoring else NullProgress()
    may_be_barrier = True

    def tell(rows: int | None, tasks_done: int, tasks: int) -> None:
        measured = meter.measure(rows, tasks_done, tasks)
        progress.delivered(measured)
        run.log.progressed(measured)

    for attempt in range(1, MOST_TRIES + 1):
        sent = wave.number if attempt > 1 else None
        run.lease.check(sent)
        with run.lease.sending(_planned_seconds(wave.plan, request_seconds), sent) as send_until:
            waves_done.start_wave(wave.number)
            meter.begin_wave(done_before, wave.rows, wave.plan.limited_by)
            watch = DeliveryWatch(
                run.tables.spark,
                f"{run.claim.run_id}-w{wave.number}-{attempt}",
                wave.plan.partitions,
                tell,
                lambda: run.cancellation.overdue(config.delivery.grace_seconds),
                nodes=engine.node_names(config.delivery.engine),
                may_be_barrier=may_be_barrier,
                clock=run.clock,
            )
            try:
                if _append(run, wave, arranged, watch, send_until) > 1:
                    waves_done.evaluated_again += wave.rows
                return
            except Exception as error:
                waves_done.may_still_send = watch.may_still_send
                if attempt == MOST_TRIES or run.cancellation.requested or not _may_go_again(watch, error, run.clock):
                    raise
                # The tasks found no free slots to start together, so nothing was sent: next they may start one by one
                may_be_barrier = may_be_barrier and not watch.starved
                waves_done.may_still_send = False
                run.log.wave_retried(wave.number, attempt + 1, "no_free_slots" if watch.starved else "executor_lost")
            except BaseException:
                waves_done.may_still_send = watch.may_still_send
                raise


def _append(run: RunContext, wave: Wave, arranged: DataFrame, watch: DeliveryWatch, send_until: datetime) -> int:
    """Send a wave and append its statuses in one try; return the number of Spark stages that sent it."""
    config, spark = run.config, run.tables.spark
    settings = delivery_settings(
        config,
        run.api_key,
        run.claim.run_id,
        wave.plan,
        wave.number,
        send_until=send_until,
        stop_when_all_refused=not wave.is_retry_wave,
        log_style=run.log.of_workers,
    )
    evaluation = engine.SingleEvaluation(spark)
    statuses = engine.deliver_records(
        arranged,
        settings,
        config.sync.name,
        evaluation=evaluation,
        completed=watch.jobs.completed,
        barrier=watch.jobs.barrier,
        engine=config.delivery.engine,
    )
    run_id, number = run.claim.run_id, wave.number
    with engine.arrow_chunks(spark, settings.rows_per_chunk):
        watch.run(lambda: results.append_record_status(run.tables, statuses, run_id=run_id, wave=number))
    return evaluation.times


def _planned_seconds(plan: DeliveryPlan, request_seconds: float) -> float:
    """Return the seconds that a wave is expected to take, by its plan or by the duration of this run's requests."""
    in_flight = max(1, min(plan.batches, plan.in_flight))
    return max(plan.eta_seconds, plan.batches * request_seconds / in_flight)


def _may_go_again(watch: DeliveryWatch, error: BaseException, clock: Clock) -> bool:
    """Tell whether a delivery may be tried again: it failed only because an executor or free slots were missing.

    Wait for the end of the tasks that still run, and for an executor that replaces the lost one.
    """
    if spark_errors.is_second_evaluation(error):  # a further try would cause it again
        return False
    if not watch.jobs.barrier or not (watch.starved or any(sign in str(error) for sign in _LOST)):
        return False
    # One deadline for the end of the tasks and for the executor; a new one only if nothing was waited for
    until = clock.monotonic() + STARVED_SECONDS if watch.patience_until is None else watch.patience_until
    while clock.monotonic() < until and (
        watch.jobs.active_tasks or (watch.jobs.slots < watch.tasks and not watch.starved)
    ):
        clock.sleep(_POLL_SECONDS)
    return not watch.jobs.active_tasks
