"""What a look at the tables has shown of a sync: the facts that alerts are judged by."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

RUNNING = "running"


@dataclass(frozen=True)
class RunFacts:
    """One run.

    Attributes:
        run_id: the run.
        status: running, succeeded, failed, cancelled or lost.
        started_at, ended_at: UTC, its claim and its end; None: it has not ended.
        claim_expires_at: UTC; a running run that has let it pass is dead.
        exit_status: of its command; None while it runs, and for lost ones.
        error: why it ended so, one sentence.
        source_rows, accounted_rows: its books; None: it has none.
        balanced: whether its books balance; None: it never came to them.
        replay: whether it sent dead letters again.
        limited: whether it saw only some rows of its source (`--limit`).
    """

    run_id: str
    status: str
    started_at: datetime
    ended_at: datetime | None = None
    claim_expires_at: datetime | None = None
    exit_status: int | None = None
    error: str | None = None
    source_rows: int | None = None
    accounted_rows: int | None = None
    balanced: bool | None = None
    replay: bool = False
    limited: bool = False

    def alive(self, now: datetime) -> bool:
        """Whether it is at work."""
        return self.status == RUNNING and (self.claim_expires_at is None or self.claim_expires_at >= now)


@dataclass(frozen=True)
class Window:
    """The batches that were completed in the window; figures of `analysis.figures.GROUP`.

    Attributes:
        run_id: of the slowest batch.
        slowest_batch_id: which batch took longest.
    """

    batch_count: int = 0
    total_records: int = 0
    failed_records: int = 0
    error_rate_percent: float = 0.0
    max_processing_time_seconds: float = 0.0
    avg_processing_time_seconds: float = 0.0
    busy_seconds: float = 0.0
    requests: int = 0
    requests_per_second: float = 0.0
    records_per_second: float = 0.0
    request_time_mean_seconds: float = 0.0
    run_id: str | None = None
    slowest_batch_id: str | None = None


@dataclass(frozen=True)
class Observed:
    """Everything about one sync.

    Attributes:
        now: UTC, when it was looked.
        since: UTC, where the window begins.
        window: its batches.
        runs: the newest runs, newest first.
        dead_letters: records that wait for a replay; where there are few, all letters there ever were.
    """

    now: datetime
    since: datetime
    window: Window = Window()
    runs: tuple[RunFacts, ...] = ()
    dead_letters: int = 0

    @property
    def running(self) -> RunFacts | None:
        """The run that is at work."""
        return next((run for run in self.runs if run.alive(self.now)), None)
