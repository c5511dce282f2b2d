"""Defines the small frozen dataclasses that stages hand to each other; they do arithmetic and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from cio_spark.counts import Books, DeliveryCounts, Reason, StateCounts
from cio_spark.coverage import ScopeChoice
from cio_spark.errors import ExitStatus
from cio_spark.result_html import render_preview, render_run

__all__ = [
    "GZIP",
    "OWN_MESSAGE_SQL",
    "ROWS_PER_CHUNK",
    "STOPPED_THE_RUN_SQL",
    "Books",
    "DeliveryCounts",
    "DeliveryPlan",
    "Preview",
    "Reason",
    "RunKind",
    "Slots",
    "StateCounts",
    "SyncResult",
]

OWN_MESSAGE_SQL = "CASE WHEN http_status IS NULL OR status IN ('invalid', 'not_attempted') THEN error_message END"
"""SQL expression over `record_status` that gives the error message only if cio_spark itself wrote it, else null.

Where the API answered, `error_message` is the API's text. That text may repeat what was sent, so it stays in the row of
its record.
"""

STOPPED_THE_RUN_SQL = (
    "coalesce(error_category = 'authentication' "
    "OR error_code IN ('redirect', 'refused_by_api', 'refuses_everything'), false)"
)
"""SQL condition that selects rows of records that were not at fault: the run itself could not go on.

One reason is a refused API key. Such records are sent again without a replay.
"""

GZIP = "gzip"
"""Compression of a plan whose request bodies are compressed."""


class RunKind(str, Enum):
    """Lists the kinds of runs: the values of the column `kind` of `sync_runs`."""

    SYNC = "sync"
    """The run compared its whole source with the ledger."""
    LIMITED = "limited"
    """The run saw only some rows of its source (`--limit`)."""
    REPLAY = "replay"
    """The run sent dead letters again."""
    TAKEN_OVER = "taken_over"
    """The run sent nothing; it stands for what a run sent that another run had taken over."""


ROWS_PER_CHUNK = 2_000
"""Rows that Spark hands to a task at a time; each has at most 32,000 bytes, so a chunk has at most 64 MB."""


@dataclass(frozen=True)
class Slots:
    """Says how many tasks can run at the same time.

    Attributes:
        count: number of task slots that exist now.
        fixed: False if more slots may appear later (dynamic allocation, autoscaling, unknown).
    """

    count: int
    fixed: bool


@dataclass(frozen=True)
class DeliveryPlan:
    """Describes how a wave is cut and paced; `planning.plan` makes it.

    Attributes:
        records: number of records to send.
        batches: number of requests that are expected without retries.
        partitions: number of Spark partitions of the delivery.
        concurrent_tasks: largest number of tasks that run at the same time.
        lanes: requests in flight per task.
        seconds_between_requests: least seconds between two requests of one task.
        max_records: largest number of records in a request.
        max_bytes: largest number of bytes in a request body, before compression.
        eta_seconds: expected seconds of the delivery.
        limited_by: what limits the speed, as a text for people.
        parallel_workers: configured number of requests in flight, of which `in_flight` can be used.
        compression: whether bodies are compressed, as a text for people.
        rows_per_chunk: number of rows that Spark hands to a task at a time.
        sizing: what decides the size of a request, as a text for people.
    """

    records: int
    batches: int
    partitions: int
    concurrent_tasks: int
    lanes: int
    seconds_between_requests: float
    max_records: int
    max_bytes: int
    eta_seconds: float
    limited_by: str
    parallel_workers: int
    compression: str = GZIP
    rows_per_chunk: int = ROWS_PER_CHUNK
    sizing: str = ""

    @property
    def in_flight(self) -> int:
        """Largest number of requests in flight at the same time."""
        return self.concurrent_tasks * self.lanes


@dataclass(frozen=True)
class Preview:
    """Describes what a run would do.

    Attributes:
        counts: rows by state.
        plan: how the delivery would be cut.
        reasons: why records are invalid.
        samples: payloads of a few records that would be sent; they contain values, so mask them before you show them.
        source: what was read.
        notes: why the run would write other bytes than the last run, one sentence each.
        scope: what the run would look at, and why.
    """

    counts: StateCounts
    plan: DeliveryPlan
    reasons: tuple[Reason, ...]
    samples: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()
    scope: ScopeChoice | None = None

    def _repr_html_(self) -> str:
        """Render the plan as HTML, which a notebook shows; the samples are left out, for they contain values."""
        plan = self.plan
        return render_preview(
            self.source,
            self.counts,
            {
                "requests": plan.batches,
                "records per request, at most": plan.max_records,
                "bytes per request, at most": plan.max_bytes,
                "partitions": plan.partitions,
                "requests in flight": plan.in_flight,
                "expected seconds": plan.eta_seconds,
                "limited by": plan.limited_by,
            },
            reasons=self.reasons,
            scope=self.scope,
            notes=self.notes,
        )


@dataclass(frozen=True)
class SyncResult:
    """Describes what became of one run.

    Attributes:
        run_id: id of the run; ids sort by the sequence of runs.
        sync: name of the sync.
        exit_status: status that a command ends with.
        books: all counts.
        plan: how the delivery was cut; None if there was nothing to send.
        message: one sentence for people.
        seconds: seconds of the whole run.
        delivery_seconds: seconds of the Spark action that sends.
        phases: seconds by phase, in order.
        notes: why the run wrote other bytes than the last run, one sentence each.
        scope: what the run looked at, and why; None for a replay.
        next_step: what to do now, in one sentence for people.
    """

    run_id: str
    sync: str
    exit_status: ExitStatus
    books: Books
    plan: DeliveryPlan | None
    message: str
    seconds: float
    delivery_seconds: float
    phases: dict[str, float] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    scope: ScopeChoice | None = None
    next_step: str = ""

    def _repr_html_(self) -> str:
        """Render books, scope, speed, errors and the next step as HTML, which a notebook shows."""
        return render_run(
            f"{self.sync} · run {self.run_id}",
            self.books,
            exit_status=self.exit_status,
            message=self.message,
            next_step=self.next_step,
            seconds=self.seconds,
            delivery_seconds=self.delivery_seconds,
            scope=self.scope,
            notes=self.notes,
        )
