"""Keeps a retry of a Databricks task from hiding how the try before it has ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cio_spark.errors import EarlierTryError, ExitStatus
from cio_spark.results import RunState
from cio_spark.task_attempt import TaskAttempt

RETRY_HELPS: Final = frozenset(
    {
        ExitStatus.SUCCESS,
        ExitStatus.INTERNAL_ERROR,
        ExitStatus.API_UNAVAILABLE,
        ExitStatus.TAKEN_OVER,
        ExitStatus.CANCELLED_SIGINT,
        ExitStatus.CANCELLED_SIGTERM,
    }
)
"""Exit statuses of a try after which another one goes on; after all others somebody must look first."""


def check_earlier_tries(job_attempt: str | None, runs: Sequence[RunState]) -> None:
    """Refuse to run if an earlier try of this very task has ended in a way that a retry does not help.

    A retry would find refused records held, send nothing, and end well: nobody would hear of them. A repair of the
    job's run is no retry: somebody has asked for it.

    Args:
        job_attempt: `job run/task/execution count/repair count` of this try; None outside of Databricks.
        runs: runs of the sync, oldest first.

    Raises:
        EarlierTryError: there is such a try; the error has its exit status.
    """
    mine = TaskAttempt.parse(job_attempt)
    if mine is None:
        return
    helped = {int(status) for status in RETRY_HELPS}
    for run in reversed(runs):
        if run.exit_status is None or run.exit_status in helped:
            continue
        if mine.is_retry_of(TaskAttempt.parse(run.job_attempt)):
            raise EarlierTryError(run.sync, run.run_id, ExitStatus(run.exit_status))
