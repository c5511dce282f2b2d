"""Decides for a process that claims a sync whether an earlier run of the sync counts as ended."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum

from cio_spark.results.run_states import RunState
from cio_spark.task_attempt import TaskAttempt

DEFAULT_LEASE_SECONDS = 180.0
LONGEST_REQUEST_SECONDS = 300.0
"""Largest `batch.timeout_seconds`; a run that has not recorded its own is supposed to have this one."""


class TakeOverReason(Enum):
    """Lists the reasons why a run without an end counts as ended."""

    TOLD = "told"
    """The user has said so (`--take-over`)."""
    OWNER_DEAD = "owner_dead"
    """The process of the run is gone."""
    CLAIM_EXPIRED = "claim_expired"
    """The run has given no sign of life for too long."""
    LATER_TRY = "later_try"
    """The run was an earlier try of the same task of a Databricks job, and its last request has ended."""


@dataclass(frozen=True)
class Claimant:
    """Describes the process that claims a sync, and what it knows about the owners of other runs.

    Attributes:
        owner: host and process.
        owner_is_dead: tells whether the owner of a run is known to be gone; False if that cannot be known.
        job_attempt: `job run/task/execution count/repair count` of a task of a Databricks job; None elsewhere.
        lease_seconds: how long a claim lasts after the last sign of life.
        request_seconds: longest time of a request that was started just before the end of sending.
        takes_over: whether the user knows that no other run is alive (`--take-over`).
    """

    owner: str
    owner_is_dead: Callable[[str], bool] = lambda _: False
    job_attempt: str | None = None
    lease_seconds: float = DEFAULT_LEASE_SECONDS
    request_seconds: float = 0.0
    takes_over: bool = False

    def may_take_over(self, run: RunState, now: datetime) -> bool:
        """Tell whether a run without an end counts as ended."""
        return self.reason_to_take_over(run, now) is not None

    def reason_to_take_over(self, run: RunState, now: datetime) -> TakeOverReason | None:
        """Return the reason why a run without an end counts as ended; None if the run may be alive."""
        if self.takes_over:
            return TakeOverReason.TOLD
        if self.owner_is_dead(run.owner):
            return TakeOverReason.OWNER_DEAD
        if run.expires_at < now:
            return TakeOverReason.CLAIM_EXPIRED
        if self._is_later_try_than(run) and _last_request_ends(run) < now:
            return TakeOverReason.LATER_TRY
        return None

    def free_at(self, run: RunState) -> datetime | None:
        """Return when a run may be taken over at the latest if it was an earlier try of this task; None if it was not.

        Nobody but a predecessor of this very task is known to be dead, so only its end is worth waiting for.
        """
        return min(_last_request_ends(run), run.expires_at) if self._is_later_try_than(run) else None

    def expiry(self, now: datetime, send_until: datetime) -> datetime:
        """Return the time from which another run may take over, if there is no further sign of life.

        Args:
            now: time of the last sign of life.
            send_until: when sending stops.
        """
        return max(now + timedelta(seconds=self.lease_seconds), send_until + timedelta(seconds=self.request_seconds))

    def _is_later_try_than(self, run: RunState) -> bool:
        mine = TaskAttempt.parse(self.job_attempt)
        return mine is not None and mine.follows(TaskAttempt.parse(run.job_attempt))


def _last_request_ends(run: RunState) -> datetime:
    """Return when a request ends at the latest that a run has started just before the end of its sending."""
    try:
        seconds = float(json.loads(run.configuration or "")["batch"]["timeout_seconds"])
    except (ValueError, KeyError, TypeError):
        seconds = LONGEST_REQUEST_SECONDS
    return run.send_until + timedelta(seconds=seconds)
