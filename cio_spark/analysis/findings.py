"""Finds the bottlenecks of a sync and suggests changes, by its run with the most requests, for terminal and report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from cio_spark.analysis.bottlenecks import Bottleneck, find_bottlenecks
from cio_spark.analysis.measured import configuration_of_row, measured_of_row
from cio_spark.analysis.suggestion import MOST_RATE, Suggestion, suggest
from cio_spark.config import BatchConfiguration, SyncConfig
from cio_spark.planning import body_limit


@dataclass(frozen=True)
class Findings:
    """Holds the bottlenecks of one run and a suggestion.

    Attributes:
        run: row of the run in `run_performance`.
        ran_with: batch configuration of the run, with the sync's share of the rate as its rate limit.
        most_bytes: largest request body in bytes that the run could have, by its configuration and the API's limit.
        bottlenecks: bottlenecks of the run, each with one recommendation.
        suggestion: suggested configuration.
    """

    run: Any
    ran_with: BatchConfiguration
    most_bytes: int
    bottlenecks: list[Bottleneck]
    suggestion: Suggestion


def find_what_holds_back(runs: Sequence[Any], config: SyncConfig, target_rps: float | None = None) -> Findings | None:
    """Find the bottlenecks of a sync by its run with the most requests, since a run with few says nothing about speed.

    Args:
        runs: rows of `run_performance`; rows of other syncs are ignored.
        config: configuration of the sync.
        target_rps: wanted records per second; None for as many as the rate limit allows.

    Returns:
        the findings; None if the sync has sent nothing.
    """
    mine = [row for row in runs if row["sync"] == config.sync.name]
    if not mine:
        return None
    telling = max(mine, key=lambda row: int(row["requests"]))
    configured, measured = configuration_of_row(telling, config.batch), measured_of_row(telling)
    share = config.api.share_of_rate
    ran_with = configured.model_copy(update={"rate_limit_rps": max(1, round(configured.rate_limit_rps * share))})
    found = find_bottlenecks(measured, ran_with, error_threshold_percent=config.error_threshold_percent)
    suggestion = _for_all(suggest(ran_with, measured, target_rps), configured.rate_limit_rps, share)
    return Findings(telling, ran_with, body_limit(ran_with), found, suggestion)


def _for_all(suggestion: Suggestion, rate_limit_rps: int, share: float) -> Suggestion:
    """Convert a suggestion about the sync's share of the rate limit to one about the whole rate limit.

    Syncs with the same API key share the whole rate limit.
    """
    if share == 1.0:
        return suggestion
    changes, rate = [], rate_limit_rps
    for change in suggestion.changes:
        if change.field == "rate_limit_rps":
            rate = min(MOST_RATE, max(1, round(change.after / share)))
            reason = f"{change.reason}; api.share_of_rate = {share:g} is this sync's"
            changes.append(replace(change, before=rate_limit_rps, after=rate, reason=reason))
        else:
            changes.append(change)
    configuration = suggestion.configuration.model_copy(update={"rate_limit_rps": rate})
    return replace(suggestion, configuration=configuration, changes=tuple(changes))
