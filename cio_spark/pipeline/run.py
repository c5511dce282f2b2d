"""One run: config → source → payload → validation → ledger → planning → delivery → results."""

from __future__ import annotations

import contextlib
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from pyspark.sql import SparkSession

from cio_spark import results, runtime, source
from cio_spark.cancellation import Cancellation
from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.delivery import check_api, delivery_settings, engine
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.model import Books, DeliveryCounts, SyncResult
from cio_spark.pipeline.phases import Phases, explained
from cio_spark.pipeline.settle import settle_lost_run, settle_run, write_dead_letters
from cio_spark.pipeline.survey import prepared, survey
from cio_spark.pipeline.waves import Progression, cut_waves, deliver_waves
from cio_spark.progress import Progress, Silence
from cio_spark.results import Tables
from cio_spark.verdict import judge
from cio_spark.version import VERSION


def run_sync(
    config: SyncConfig,
    *,
    spark: SparkSession,
    api_key: ApiKey,
    warehouse: Path | None = None,
    limit: int | None = None,
    retry_held: bool = False,
    progress: Progress | None = None,
    clock: Clock | None = None,
    cancellation: Cancellation | None = None,
) -> SyncResult:
    """Runs one sync from its source to its books.

    Args:
        config: the sync.
        spark: the session.
        api_key: the workspace's key.
        warehouse: folder of local tables; None: the catalog knows them.
        limit: only so many source rows.
        retry_held: also try records that were refused before with the same payload.
        progress: listener.
        clock: time.
        cancellation: whoever may ask the run to stop.

    Returns:
        what became of it, also when records failed or the run was cancelled; its `exit_status` says how well it went.

    Raises:
        CioSparkError: the run could not start (nothing was sent), or Spark failed (the next run goes on).
    """
    clock, progress = clock or SystemClock(), progress or Silence()
    cancellation = cancellation or Cancellation(clock)
    phases = Phases(clock, progress)
    began = clock.monotonic()
    tables = Tables(spark, config.tables, warehouse)
    slots = engine.count_slots(spark)
    with explained(config):
        with phases.phase("check"):
            snapshot = source.open_source(spark, config.source, tables.attach_source)
            records = prepared(config, snapshot.rows)
            check_api(delivery_settings(config, api_key))
            results.set_up_tables(tables)
        with phases.phase("claim"):
            claim = results.claim_sync(
                tables,
                config.sync.name,
                clock=clock,
                owner=runtime.owner(),
                owner_is_dead=runtime.owner_is_dead,
                facts={
                    "source": snapshot.description,
                    # Without the rows of a --limit, the version alone says nothing
                    "source_version": snapshot.version if limit is None else None,
                    "configuration": json.dumps(config.describe()),
                    "package_version": VERSION,
                },
            )
    work, waves, progression, delivery, ledger_version = None, [], Progression(), DeliveryCounts(), None
    staging = results.Staging(tables, claim.run_id)
    try:
        with explained(config), results.KeptClaim(tables, claim, clock):
            if claim.lost:
                with phases.phase("settle"):
                    for lost in claim.lost:
                        settle_lost_run(config, tables, lost)
                    results.mark_settled(tables, claim, clock)
            with phases.phase("survey"):
                # Only now: what a run that held the sync until a moment ago has written must be seen
                ledger_version = tables.version("record_status")
                earlier = tables.read("record_status", ledger_version)
                pinned = snapshot.staged(staging.stage, limit)
                if pinned is not snapshot:
                    snapshot, records = pinned, prepared(config, pinned.rows)
                work = survey(config, tables, snapshot.rows, records, earlier, slots=slots, retry_held=retry_held)
                waves = cut_waves(config, work, staging, slots)
            if waves:
                progress.planned(config.sync.name, work.plan)
                with phases.phase("deliver"):
                    deliver_waves(config, tables, waves, claim.run_id, api_key, progress, cancellation, progression)
            with phases.phase("books"):
                delivery = read_back(config, tables, claim.run_id, claim.lost_ids, delivered=progression.committed > 0)
                if delivery.invalid + delivery.rejected + delivery.failed:
                    write_dead_letters(config, tables, claim.run_id, work.records)
                if progression.in_doubt:
                    settle_run(config, tables, claim.run_id, waves[progression.started - 1].records)
            staging.drop()
    except BaseException as error:
        with contextlib.suppress(Exception):
            if progression.in_doubt:
                settle_run(config, tables, claim.run_id, waves[progression.started - 1].records)
            if not progression.started:  # else the next run settles this one, and needs what was staged
                staging.drop()
        close_failed(tables, claim, error, clock, Books(work.counts, delivery) if work else None, progression)
        raise
    books = Books(work.counts, delivery, progression.not_started, progression.in_doubt)
    exit_status, message = judge(config, books, cancellation)
    delivery_seconds = phases.seconds.get("deliver", 0.0)
    ending = "cancelled" if cancellation.requested else "failed"
    with phases.phase("end"):
        results.end_run(
            tables,
            results.RunEnd(
                claim.run_id,
                claim.sync,
                clock.now(),
                "succeeded" if exit_status is ExitStatus.SUCCESS else ending,
                exit_status,
                None if exit_status is ExitStatus.SUCCESS else message,
                books,
                delivery_seconds,
                ledger_version,
            ),
        )
    result = SyncResult(
        run_id=claim.run_id,
        sync=config.sync.name,
        exit_status=exit_status,
        books=books,
        plan=work.plan if delivery.persisted else None,
        message=message,
        seconds=clock.monotonic() - began,
        delivery_seconds=delivery_seconds,
        phases=phases.seconds,
    )
    progress.finished(result)
    return result


def close_failed(
    tables: Tables,
    claim: results.Claim,
    error: BaseException,
    clock: Clock,
    books: Books | None,
    progression: Progression,
) -> None:
    """Writes the end of a run that Spark or a defect ended.

    Where Spark itself is gone this cannot be written: the next run then closes and settles this one as lost.

    Args:
        tables: where the tables are.
        claim: of the run.
        error: what ended it.
        clock: time.
        books: what is known of its rows.
        progression: how far its waves got.
    """
    known = isinstance(error, CioSparkError)
    end = results.RunEnd(
        claim.run_id,
        claim.sync,
        clock.now(),
        "failed",
        error.exit_status if isinstance(error, CioSparkError) else ExitStatus.INTERNAL_ERROR,
        str(error) if known else type(error).__name__,
        books and replace(books, not_started=progression.not_started, in_doubt=progression.in_doubt),
        # Said only where nothing was sent: without it the next run settles this one
        delivery_seconds=None if progression.started else 0.0,
    )
    with contextlib.suppress(Exception):
        results.end_run(tables, end)


def read_back(
    config: SyncConfig, tables: Tables, run_id: str, lost_ids: list[str], *, delivered: bool
) -> DeliveryCounts:
    """Counts what was persisted, and fills `batch_operations`, also for earlier runs that died.

    Args:
        config: the sync.
        tables: where the tables are.
        run_id: the run.
        lost_ids: runs that never came to this point.
        delivered: whether the run wrote anything.
    """
    if not delivered and not lost_ids:
        return results.count_statuses(tables, run_id, config.sync.name)
    with ThreadPoolExecutor(max_workers=1) as pool:
        counting = pool.submit(results.count_statuses, tables, run_id, config.sync.name)
        results.append_batch_operations(
            tables,
            config.sync.name,
            [run_id, *lost_ids],
            error_threshold_percent=config.batch.error_threshold_percent,
            priority=config.sync.priority.value,
            strategy=config.batch.strategy.value,
        )
        return counting.result()
