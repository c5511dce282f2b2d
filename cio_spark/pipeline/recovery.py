"""Recovers runs that died, or that another run took over: what they may have sent is written down."""

from __future__ import annotations

from cio_spark.pipeline.lost_run import recover_lost_run
from cio_spark.pipeline.run_context import RunContext
from cio_spark.pipeline.take_over import recover_taken_over


def recover_lost_runs(run: RunContext) -> None:
    """Write down what earlier runs may have sent, so that this one does not trust the past.

    Args:
        run: the run; its claim names the runs that are lost.
    """
    if not run.claim.lost:
        return
    with run.phases.phase("settle"):
        for lost in run.claim.lost:
            recover = recover_lost_run if lost.taken_over_run is None else recover_taken_over
            recover(run.config, run.tables, lost)
            run.log.settled(lost.run_id)
