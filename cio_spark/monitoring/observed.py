"""Holds the facts about a sync that the alert rules use, as they were read from the tables."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

RUNNING = "running"


@dataclass(frozen=True)
class RunFacts:
    """Holds the facts about one run.

    Attributes:
        run_id: id of the run.
        status: running, succeeded, failed, cancelled, lost or taken_over.
        started_at, ended_at: times of its claim and its end, in UTC; `ended_at` is None if it has not ended.
        claim_expires_at: time when its claim expires, in UTC; a running run with an expired claim is dead.
        exit_status: exit status of its command; None while it runs, and for a lost run.
        error: reason of its status in one sentence; None if there is none.
        source_rows, accounted_rows: row counts of its books; None if it has no books.
        balanced: whether its books balance; None if it has no books.
        replay: whether it sent dead letters again.
        limited: whether it read only some rows of its source (`--limit`).
        saw_all: whether it looked at all rows of its source, so that its source rows can be compared with other runs'.
        fell_back: whether it looked at all rows only because the change feed could not be used.
        requests: requests that it made; None if it has no books.
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
    saw_all: bool = True
    fell_back: bool = False
    requests: int | None = None

    def alive(self, now: datetime) -> bool:
        """Tell whether the run is running and its claim has not expired."""
        return self.status == RUNNING and (self.claim_expires_at is None or self.claim_expires_at >= now)


@dataclass(frozen=True)
class Window:
    """Holds the figures of the batches that were completed in the window, as defined in `analysis.figures.GROUP`.

    Attributes:
        run_id: run of the slowest batch.
        slowest_batch_id: id of the batch that took longest.
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
    """Holds all facts about one sync.

    Attributes:
        now: time of the check, in UTC.
        since: begin of the window, in UTC.
        window: figures of the batches in the window.
        runs: the newest runs, newest first.
        dead_letters: number of records that wait for a replay; if there are no more letters in the table than
            `monitoring.most_dead_letters`, the number of all letters.
    """

    now: datetime
    since: datetime
    window: Window = Window()
    runs: tuple[RunFacts, ...] = ()
    dead_letters: int = 0

    @property
    def running(self) -> RunFacts | None:
        """The run that is at work; None if none is."""
        return next((run for run in self.runs if run.alive(self.now)), None)
