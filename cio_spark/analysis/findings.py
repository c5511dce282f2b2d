"""What held a sync back and what to change, drawn from the run that says most: for the terminal and the report."""

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
    """What one run says.

    Attributes:
        run: its row of `run_performance`.
        ran_with: what it was configured with; of the rate the sync's share.
        most_bytes: of a request's body, whatever was configured.
        bottlenecks: what held it back, each with one recommendation.
        suggestion: a configuration that does better.
    """

    run: Any
    ran_with: BatchConfiguration
    most_bytes: int
    bottlenecks: list[Bottleneck]
    suggestion: Suggestion


def find_what_holds_back(runs: Sequence[Any], config: SyncConfig, target_rps: float | None = None) -> Findings | None:
    """Looks at the run that says most: one that sent a handful of changes says nothing about speed.

    Args:
        runs: rows of `run_performance`; those of other syncs are passed over.
        config: the sync.
        target_rps: records/s that are wanted; None: as many as its rate limit allows.

    Returns:
        None where the sync has sent nothing.
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
    """Say a suggestion about a sync's share of the rate as one about the rate that the syncs with one key divide."""
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
