"""Defines the small frozen dataclasses that stages hand to each other; they do arithmetic and nothing else."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from cio_spark.coverage import ScopeChoice
from cio_spark.errors import ExitStatus

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
class StateCounts:
    """Counts rows by state, as the survey of source and ledger finds them before the delivery.

    The class `statuses.State` explains the states.

    Attributes:
        source_rows: rows of the pinned source, from a count of their own.
        superseded: older duplicates of a record id.
        unchanged, changed_ignored, held: rows that this run does not try.
        new, changed: valid records to send: `new` ones have no status of an earlier run, `changed` ones were accepted
            last time with another payload.
        again: valid records to send again: an earlier run wrote a status for them, and their last attempt, if there was
            one, was not accepted.
        invalid: records that validation refused; None where the survey did not look at the payloads (first runs).
        payload_bytes: JSON bytes to send.
        retried: those of `again` that were refused before with the same payload (`--retry-held`).
        gone: records that were accepted before, and that the source has no more; they are no rows of the source, and
            are counted only where the run looks at what has changed.
    """

    source_rows: int
    superseded: int = 0
    unchanged: int = 0
    changed_ignored: int = 0
    held: int = 0
    new: int = 0
    changed: int = 0
    again: int = 0
    invalid: int | None = None
    payload_bytes: int = 0
    retried: int = 0
    gone: int = 0

    @property
    def to_send(self) -> int:
        """Number of records that the delivery is planned for."""
        return self.new + self.changed + self.again


@dataclass(frozen=True)
class DeliveryCounts:
    """Sums up what `record_status` contains about one run, read back after the delivery.

    Attributes:
        accepted, invalid, rejected, failed, not_attempted: number of records by status.
        requests, retries, bytes, compressed_bytes, request_seconds, throttled_seconds: sums over root batches.
        batched: number of rows that name a batch.
        batched_by_lanes: number of records that the lanes report to have put into batches; a second count that must
            equal `batched`.
        reasons: why records were not accepted, the most frequent first; some of the rarest reasons may be left out.
        codes: all records that were not accepted, by status, category and code; without messages.
    """

    accepted: int = 0
    invalid: int = 0
    rejected: int = 0
    failed: int = 0
    not_attempted: int = 0
    requests: int = 0
    retries: int = 0
    bytes: int = 0
    compressed_bytes: int = 0
    request_seconds: float = 0.0
    throttled_seconds: float = 0.0
    batched: int = 0
    batched_by_lanes: int = 0
    reasons: tuple[Reason, ...] = ()
    codes: tuple[Reason, ...] = ()

    @property
    def persisted(self) -> int:
        """Number of rows that the run wrote."""
        return self.accepted + self.invalid + self.rejected + self.failed + self.not_attempted


@dataclass(frozen=True)
class Reason:
    """Says why records were not accepted, and how many they are.

    Attributes:
        status, category, code: as in `record_status`.
        message: text for people, written by cio_spark; empty if only the API has a text for it (`OWN_MESSAGE_SQL`).
        records: number of records.
        http_status: HTTP status of the answer; None if there was no answer.
    """

    status: str
    category: str
    code: str
    message: str
    records: int
    http_status: int | None = None


@dataclass(frozen=True)
class Books:
    """Compares the source rows of a run with the sum of all states.

    Attributes:
        survey: rows by state before the delivery.
        delivery: what the run wrote.
        not_started: rows of waves that never started.
        in_doubt: rows of a wave that started and was never committed.
        evaluated_again: rows of waves that Spark evaluated twice, and that were therefore sent twice.
    """

    survey: StateCounts
    delivery: DeliveryCounts
    not_started: int = 0
    in_doubt: int = 0
    evaluated_again: int = 0

    @property
    def accounted(self) -> int:
        """Number of rows that were found in exactly one state."""
        survey = self.survey
        counted = survey.superseded + survey.unchanged + survey.changed_ignored + survey.held
        return counted + self.delivery.persisted + self.not_started + self.in_doubt

    @property
    def balanced(self) -> bool:
        """Tell whether every row is in a state, every wave was sent once, and both counts of batched records agree."""
        agree = self.delivery.batched == self.delivery.batched_by_lanes
        return self.accounted == self.survey.source_rows and not self.evaluated_again and agree

    @property
    def error_rate_percent(self) -> float:
        """Error rate in percent: (invalid + rejected + failed) / (source − unchanged − held) × 100.

        It is 0 if there was nothing to do. An earlier run has already counted held records as errors
        (docs/decisions/0009-held-is-no-new-error.md).
        """
        considered = self.survey.source_rows - self.survey.unchanged - self.survey.held
        delivery = self.delivery
        wrong = delivery.invalid + delivery.rejected + delivery.failed
        return 100.0 * wrong / considered if considered > 0 else 0.0


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
