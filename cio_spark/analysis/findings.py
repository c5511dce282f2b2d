"""What held a sync back and what to change, drawn from the run that says most: for the terminal and the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cio_spark.analysis.bottlenecks import Bottleneck, find_bottlenecks
from cio_spark.analysis.measured import configuration_of_row, measured_of_row
from cio_spark.analysis.suggestion import Suggestion, suggest
from cio_spark.config import BatchConfiguration, SyncConfig
from cio_spark.planning import body_limit


@dataclass(frozen=True)
class Findings:
    """What one run says.

    Attributes:
        run: its row of `run_performance`.
        ran_with: what it was configured with.
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
    ran_with, measured = configuration_of_row(telling, config.batch), measured_of_row(telling)
    found = find_bottlenecks(measured, ran_with, error_threshold_percent=config.error_threshold_percent)
    return Findings(telling, ran_with, body_limit(ran_with), found, suggest(ran_with, measured, target_rps))
