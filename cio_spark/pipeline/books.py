"""Closes the books of a sync or a replay: counts the statuses, writes batches, dead letters and `in_doubt` rows."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cio_spark import results
from cio_spark.config import SyncConfig
from cio_spark.model import Books, DeliveryCounts
from cio_spark.pipeline.recovery_of_dead_runs import configuration_of, write_dead_letters, write_in_doubt
from cio_spark.pipeline.run_context import RunContext
from cio_spark.pipeline.survey import SurveyResult
from cio_spark.pipeline.waves import Wave
from cio_spark.pipeline.waves_done import WavesDone
from cio_spark.results import LostRun, Tables


def close_books(
    run: RunContext, work: SurveyResult, waves: Sequence[Wave], lost: Sequence[LostRun] = ()
) -> DeliveryCounts:
    """Count what a run has persisted, and write the batches, dead letters and `in_doubt` rows that follow from it.

    Args:
        run: the run, after the delivery of its waves.
        work: the records that the run had to deliver, and their counts.
        waves: the waves into which the records were cut.
        lost: earlier runs that this run has recovered.
    """
    config, tables, claim, waves_done = run.config, run.tables, run.claim, run.waves_done
    with run.phases.phase("books"):
        delivery = _read_back(
            config,
            tables,
            claim.run_id,
            lost,
            started=waves_done.started > 0,
            delivered=waves_done.committed > 0,
        )
        if delivery.invalid + delivery.rejected + delivery.failed:
            write_dead_letters(config, tables, claim.run_id, work.records)
        if waves_done.in_doubt:
            write_in_doubt(config, tables, claim.run_id, waves[waves_done.started - 1].records)
    return delivery


def make_books(work: SurveyResult, delivery: DeliveryCounts, waves_done: WavesDone) -> Books:
    """Combine the counts of a run into its books.

    Args:
        work: the records that the run had to deliver, and their counts.
        delivery: counts of the rows that the run has persisted.
        waves_done: how far the run's waves got.
    """
    return Books(work.counts, delivery, waves_done.not_started, waves_done.in_doubt, waves_done.evaluated_again)


def _read_back(
    config: SyncConfig, tables: Tables, run_id: str, lost: Sequence[LostRun], *, started: bool, delivered: bool
) -> DeliveryCounts:
    """Count what a run has persisted, and fill `batch_operations` for it and for earlier runs that died.

    Args:
        config: configuration of the sync.
        tables: access to the Delta tables.
        run_id: id of the run.
        lost: earlier runs that ended before they closed their books.
        started: whether a wave of the run has started.
        delivered: whether the run has committed a wave.
    """
    if not delivered and not lost:
        # Where no wave started, no row was written
        return results.count_statuses(tables, run_id, config.sync.name) if started else DeliveryCounts()
    with ThreadPoolExecutor(max_workers=1) as pool:
        counting = pool.submit(results.count_statuses, tables, run_id, config.sync.name)
        _write_lost_batches(config, tables, lost)
        if delivered:
            _write_batches(config, tables, [run_id], may_be_there=False)
        return counting.result()


def _write_batches(config: SyncConfig, tables: Tables, run_ids: Sequence[str], *, may_be_there: bool) -> None:
    """Fill `batch_operations` for runs of one configuration.

    Args:
        config: configuration of the sync that these runs had.
        tables: access to the Delta tables.
        run_ids: ids of the runs.
        may_be_there: whether some of their batches may already be in the table; such batches are left out.
    """
    results.append_batch_operations(
        tables,
        config.sync.name,
        run_ids,
        may_be_there=may_be_there,
        error_threshold_percent=config.error_threshold_percent,
        priority=config.sync.priority.value,
        strategy=config.batch.strategy.value,
    )


def _write_lost_batches(config: SyncConfig, tables: Tables, lost: Sequence[LostRun]) -> None:
    """Fill `batch_operations` for runs that died before they filled it, each with the configuration that it had.

    Args:
        config: present configuration of the sync, used for runs whose own configuration cannot be read.
        tables: access to the Delta tables.
        lost: the runs that died.
    """
    configurations: dict[str | None, SyncConfig] = {}
    runs: dict[str | None, list[str]] = {}
    for run in lost:
        configurations.setdefault(run.configuration, configuration_of(run) or config)
        runs.setdefault(run.configuration, []).append(run.run_id)
    for said, run_ids in runs.items():
        _write_batches(configurations[said], tables, run_ids, may_be_there=True)
