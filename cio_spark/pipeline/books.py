"""The end of a delivery, of a sync and a replay alike: counts read back, batches, dead letters, what is in doubt."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from cio_spark import results
from cio_spark.config import SyncConfig
from cio_spark.model import Books, DeliveryCounts
from cio_spark.pipeline.lost_run import configuration_of, write_dead_letters, write_in_doubt
from cio_spark.pipeline.progression import Progression
from cio_spark.pipeline.run_context import RunContext
from cio_spark.pipeline.survey import Work
from cio_spark.pipeline.waves import Wave
from cio_spark.results import LostRun, Tables


def close_books(run: RunContext, work: Work, waves: Sequence[Wave], lost: Sequence[LostRun] = ()) -> DeliveryCounts:
    """Count what a run has persisted, and write down all that follows from it.

    Args:
        run: the run, whose waves are delivered.
        work: what it had to do.
        waves: how that was cut.
        lost: earlier runs that it has settled.
    """
    config, tables, claim, progression = run.config, run.tables, run.claim, run.progression
    with run.phases.phase("books"):
        delivery = _read_back(
            config,
            tables,
            claim.run_id,
            lost,
            started=progression.started > 0,
            delivered=progression.committed > 0,
        )
        if lost:
            results.mark_settled(tables, claim.sync, [one.run_id for one in lost], run.clock)
        if delivery.invalid + delivery.rejected + delivery.failed:
            write_dead_letters(config, tables, claim.run_id, work.records)
        if progression.in_doubt:
            write_in_doubt(config, tables, claim.run_id, waves[progression.started - 1].records)
    return delivery


def books_of(work: Work, delivery: DeliveryCounts, progression: Progression) -> Books:
    """Put a run's counts together.

    Args:
        work: what it had to do.
        delivery: what it has persisted.
        progression: how far its waves got.
    """
    return Books(work.counts, delivery, progression.not_started, progression.in_doubt, progression.evaluated_again)


def _read_back(
    config: SyncConfig, tables: Tables, run_id: str, lost: Sequence[LostRun], *, started: bool, delivered: bool
) -> DeliveryCounts:
    """Counts what was persisted, and fills `batch_operations`, also for earlier runs that died.

    Args:
        config: the sync.
        tables: where the tables are.
        run_id: the run.
        lost: runs that never came to this point.
        started: whether a wave of the run has started.
        delivered: whether a wave of the run is committed.
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
        config: the sync, as the runs had it.
        tables: where the tables are.
        run_ids: the runs.
        may_be_there: whether some of their batches may have been written before, and are to be left out.
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
    """Fill `batch_operations` for runs that died before they did, each by the settings that it had.

    Args:
        config: the sync as it is now; it stands in where a run's own configuration cannot be read.
        tables: where the tables are.
        lost: the runs.
    """
    configurations: dict[str | None, SyncConfig] = {}
    runs: dict[str | None, list[str]] = {}
    for run in lost:
        configurations.setdefault(run.configuration, configuration_of(run) or config)
        runs.setdefault(run.configuration, []).append(run.run_id)
    for said, run_ids in runs.items():
        _write_batches(configurations[said], tables, run_ids, may_be_there=True)
