"""Recovers runs that died or were taken over: records that they may have sent are marked as in doubt."""

from __future__ import annotations

from cio_spark.pipeline.recovery_of_dead_runs import recover_lost_run
from cio_spark.pipeline.recovery_of_taken_over_runs import recover_taken_over
from cio_spark.pipeline.run_context import RunContext
from cio_spark.planning import survey_seconds


def recover_lost_runs(run: RunContext) -> None:
    """Append `in_doubt` rows for records that lost runs may have sent, before the present run reads the ledger.

    Args:
        run: the present run; its claim names the lost runs.
    """
    if not run.claim.lost:
        return
    counts = [one.counts for one in run.claim.history.runs if one.counts is not None]
    rows = max((count["source_rows"] or 0 for count in counts), default=0)
    with run.phases.phase("settle"):
        # The rows that a lost run has not staged are all compared again
        run.lease.expect(survey_seconds(rows, run.slots.count))
        for lost in run.claim.lost:
            recover = recover_lost_run if lost.taken_over_run is None else recover_taken_over
            recover(run.config, run.tables, lost)
            run.log.settled(lost.run_id)
