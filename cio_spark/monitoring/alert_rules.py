"""Decides which alert conditions hold, by pure functions; a rule says yes, no, or that it has too few data."""

from __future__ import annotations

import statistics
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.monitoring.observed import RUNNING, Observed, RunFacts
from cio_spark.planning.plan import ASSUMED_REQUEST_SECONDS

CRITICAL: Final = "critical"
WARNING: Final = "warning"
_LEAST_RUNS_BEFORE: Final = 3
_MOST_RUNS_BEFORE: Final = 7
_FALLBACKS_IN_A_ROW: Final = 3


@dataclass(frozen=True)
class Judgement:
    """Describes the result of one alert rule.

    Attributes:
        type: type of the alert.
        severity: critical or warning.
        holds: whether the condition holds; None if there are too few data, so that an open alert stays open.
        message: one sentence with the figure and its limit, without payload.
        run_id, batch_id: run and batch that the alert is about; None if it is about none.
    """

    type: str
    severity: str
    holds: bool | None
    message: str
    run_id: str | None = None
    batch_id: str | None = None


def judge_sync(observed: Observed, config: SyncConfig) -> list[Judgement]:
    """Evaluate all alert rules for a sync; return one judgement for each alert type.

    Args:
        observed: facts about the sync, read from the tables.
        config: configuration of the sync, with the thresholds.
    """
    return [*_of_window(observed, config), *_of_runs(observed, config), _dead_letters(observed, config)]


def _of_window(observed: Observed, config: SyncConfig) -> Iterator[Judgement]:
    window, limits, threshold = observed.window, config.monitoring, config.error_threshold_percent
    enough = window.total_records >= (limits.minimum_records if threshold else 1)
    # Few data never open an alert, but resolve one if the work has ended and the condition does not hold
    quiet = False if window.batch_count and observed.running is None else None
    most = limits.error_rate_factor * threshold
    yield Judgement(
        "high_error_rate",
        CRITICAL,
        _holds(window.error_rate_percent > most, enough, quiet),
        f"{window.error_rate_percent:.1f} % of {window.total_records:,} records not accepted, more than {most:g} %",
        window.run_id,
    )
    slowest = window.max_processing_time_seconds
    yield Judgement(
        "slow_processing",
        WARNING,
        _holds(slowest > limits.slow_batch_seconds, enough, quiet),
        f"a batch took {slowest:.1f} s, more than {limits.slow_batch_seconds:g} s",
        window.run_id,
        window.slowest_batch_id,
    )
    workers = config.batch.parallel_workers
    # More than its workers can send at the pace that a plan assumes is not expected of a sync
    within_reach = min(config.requests_per_second, workers / ASSUMED_REQUEST_SECONDS)
    least = within_reach * limits.low_throughput_percent / 100
    busy = enough and window.busy_seconds >= limits.minimum_busy_seconds
    yield Judgement(
        "low_throughput",
        WARNING,
        window.requests_per_second < least if busy else quiet,
        f"{window.requests_per_second:.1f} requests/s while there was work, less than {least:g} "
        f"({limits.low_throughput_percent:g} % of {within_reach:g}) with {workers} workers at "
        f"{window.request_time_mean_seconds:.2f} s a request",
        window.run_id,
    )


def _holds(condition: bool, enough: bool, quiet: bool | None) -> bool | None:
    """Return the condition if there are enough data; with few data return `quiet` or None, but never True."""
    if enough:
        return condition
    return None if condition else quiet


def _of_runs(observed: Observed, config: SyncConfig) -> Iterator[Judgement]:
    ended = [run for run in observed.runs if run.status != RUNNING]
    mine = [run for run in observed.runs if not run.replay]
    yield _books(ended)
    yield _failed([run for run in ended if not run.replay])
    yield _lost(mine, observed)
    yield _missing(mine, observed, config)
    whole = [run for run in ended if not (run.replay or run.limited)]
    yield _volume([run for run in whole if run.saw_all and run.source_rows is not None], config)
    yield _full_run(whole)


def _books(ended: list[RunFacts]) -> Judgement:
    newest = next((run for run in ended if run.balanced is not None), None)
    if newest is None:
        return Judgement("books_not_balanced", CRITICAL, None, "")
    message = f"{newest.source_rows or 0:,} source rows, {newest.accounted_rows or 0:,} accounted for"
    return Judgement("books_not_balanced", CRITICAL, not newest.balanced, message, newest.run_id)


def _failed(ended: list[RunFacts]) -> Judgement:
    newest = next(iter(ended), None)
    if newest is None or newest.status == "cancelled":  # the person who cancelled the run needs no alert
        return Judgement("run_failed", CRITICAL, None, "")
    mild = newest.exit_status == ExitStatus.ERROR_THRESHOLD_EXCEEDED
    message = f"the last run ended with exit status {newest.exit_status}: {newest.error or 'no reason given'}"
    return Judgement("run_failed", WARNING if mild else CRITICAL, newest.status == "failed", message, newest.run_id)


def _lost(mine: list[RunFacts], observed: Observed) -> Judgement:
    newest = next((run for run in mine if not run.alive(observed.now)), None)
    if newest is None:
        return Judgement("run_lost", CRITICAL, None, "")
    dead = newest.status in (RUNNING, "lost")
    message = f"the run that started {newest.started_at:%Y-%m-%d %H:%M UTC} died without an end; the next run goes on"
    return Judgement("run_lost", CRITICAL, dead, message, newest.run_id)


def _missing(mine: list[RunFacts], observed: Observed, config: SyncConfig) -> Judgement:
    minutes = config.monitoring.expected_every_minutes
    newest = next(iter(mine), None)
    if minutes is None or (newest is not None and newest.alive(observed.now)):
        return Judgement("no_recent_run", WARNING, False, "")
    if newest is None:
        return Judgement("no_recent_run", WARNING, True, "it has never run")
    late = observed.now - newest.started_at > timedelta(minutes=minutes)
    message = f"no run since {newest.started_at:%Y-%m-%d %H:%M UTC}, one is expected every {minutes:,} minutes"
    return Judgement("no_recent_run", WARNING, late, message, newest.run_id)


def _volume(ended: list[RunFacts], config: SyncConfig) -> Judgement:
    counts = [run.source_rows or 0 for run in ended[: _MOST_RUNS_BEFORE + 1]]
    if len(counts) <= _LEAST_RUNS_BEFORE:
        return Judgement("unusual_volume", WARNING, None, "")
    newest, usual = counts[0], statistics.median(counts[1:])
    limits = config.monitoring
    change = 100.0 * abs(newest - usual) / usual if usual else (100.0 if newest else 0.0)
    holds = max(newest, usual) >= limits.minimum_records and change > limits.volume_change_percent
    message = (
        f"{newest:,} source rows, {'more' if newest > usual else 'fewer'} than usual ({usual:,.0f}) by {change:.0f} %"
    )
    return Judgement("unusual_volume", WARNING, holds, message, ended[0].run_id)


def _full_run(whole: list[RunFacts]) -> Judgement:
    newest = whole[:_FALLBACKS_IN_A_ROW]
    holds = len(newest) == _FALLBACKS_IN_A_ROW and all(run.fell_back for run in newest)
    message = f"the last {len(newest)} runs could not use the change feed, and compared the whole source"
    return Judgement("full_run", WARNING, holds, message, newest[0].run_id if newest else None)


def _dead_letters(observed: Observed, config: SyncConfig) -> Judgement:
    most = config.monitoring.most_dead_letters
    message = f"{observed.dead_letters:,} dead letters wait for `cio-spark replay`, more than {most:,}"
    return Judgement("dead_letter_depth", WARNING, observed.dead_letters > most, message)
