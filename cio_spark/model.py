"""What the stages hand each other: small frozen dataclasses, no behaviour beyond arithmetic."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from cio_spark.errors import ExitStatus

OUR_WORDS = "CASE WHEN http_status IS NULL OR status IN ('invalid', 'not_attempted') THEN error_message END"
"""SQL: what is said of a row of `record_status` in words of ours alone.

Where the API answered, `error_message` is the API's, which may echo what was sent: that stays in the record's own row.
"""

STOPPED_THE_RUN = (
    "coalesce(error_category = 'authentication' "
    "OR error_code IN ('redirect', 'refused_by_api', 'refuses_everything'), false)"
)
"""SQL: a row that says that the run could not go on, and nothing of its record: it goes again without a replay."""

GZIP = "gzip"
"""Said of the bodies of a plan that go compressed."""


class RunKind(str, Enum):
    """What kind of run a row of `sync_runs` is about: its column `kind`."""

    SYNC = "sync"
    """It compared its whole source with the ledger."""
    LIMITED = "limited"
    """It saw only some rows of its source (`--limit`)."""
    REPLAY = "replay"
    """It sent dead letters again."""
    TAKEN_OVER = "taken_over"
    """It only stands for what another run has sent after it was taken over."""


ROWS_PER_CHUNK = 2_000
"""Rows that Spark hands to a task at a time; each has at most 32,000 bytes, so 64 MB at the very most."""


@dataclass(frozen=True)
class Slots:
    """How many tasks can run at once.

    Attributes:
        count: task slots seen now.
        fixed: False where more may appear later (dynamic allocation, autoscaling, unknown).
    """

    count: int
    fixed: bool


@dataclass(frozen=True)
class DeliveryPlan:
    """How a wave is cut and paced; see `planning.plan`.

    Attributes:
        records: records to send.
        batches: requests expected without retries.
        partitions: Spark partitions of the delivery.
        concurrent_tasks: the most tasks that can run at once.
        lanes: requests in flight per task.
        seconds_between_requests: least time between two requests of one task.
        max_records: records a request may carry.
        max_bytes: bytes a request body may have, before compression.
        eta_seconds: expected duration of the delivery.
        limited_by: what limits the speed, for people.
        parallel_workers: requests in flight that are configured, of which `in_flight` can be used.
        compression: what becomes of bodies, for people.
        rows_per_chunk: rows that Spark hands to a task at a time.
        sizing: what the size of a request follows, for people.
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
        """The most requests in flight at a time."""
        return self.concurrent_tasks * self.lanes


@dataclass(frozen=True)
class StateCounts:
    """Rows by state: what the survey of source and ledger counted before the delivery.

    Attributes:
        source_rows: rows of the pinned source, counted on their own.
        superseded: older duplicates of a record id.
        unchanged, changed_ignored, held: not to be tried, see design §3.
        new, changed: valid records to send, never accepted before, and accepted before with another payload.
        again: valid records to send again: tried before, never settled.
        invalid: refused by our validation; None where the survey did not look (first runs).
        payload_bytes: JSON bytes to send.
        retried: those of `again` that were refused before with the same payload (`--retry-held`).
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

    @property
    def to_send(self) -> int:
        """Records the delivery is planned for."""
        return self.new + self.changed + self.again


@dataclass(frozen=True)
class DeliveryCounts:
    """What `record_status` says of one run, read back after the delivery.

    Attributes:
        accepted, invalid, rejected, failed, not_attempted: records by status.
        requests, retries, bytes, compressed_bytes, request_seconds, throttled_seconds: sums over root batches.
        batched: rows that name a batch.
        batched_by_lanes: records that the lanes say they put into batches: the same, counted elsewhere.
        reasons: why records were not accepted, the most frequent first; some of the rarest may be left out.
        codes: all that was not accepted, by status, category and code; without words.
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
        """Rows the run wrote."""
        return self.accepted + self.invalid + self.rejected + self.failed + self.not_attempted


@dataclass(frozen=True)
class Reason:
    """Why records were not accepted, and how many.

    Attributes:
        status, category, code: as in `record_status`.
        message: for people, in words of ours; empty where only the API has words for it (`OUR_WORDS`).
        records: how many.
        http_status: of the answer; None: there was none.
    """

    status: str
    category: str
    code: str
    message: str
    records: int
    http_status: int | None = None


@dataclass(frozen=True)
class Books:
    """Source rows against the sum of all states.

    Attributes:
        survey: rows by state before the delivery.
        delivery: what the run wrote.
        not_started, in_doubt: rows of waves that never started, and of one that started and never committed.
        evaluated_again: rows of waves that Spark evaluated twice, and so sent twice.
    """

    survey: StateCounts
    delivery: DeliveryCounts
    not_started: int = 0
    in_doubt: int = 0
    evaluated_again: int = 0

    @property
    def accounted(self) -> int:
        """Rows found in exactly one state."""
        survey = self.survey
        counted = survey.superseded + survey.unchanged + survey.changed_ignored + survey.held
        return counted + self.delivery.persisted + self.not_started + self.in_doubt

    @property
    def balanced(self) -> bool:
        """Tell whether every source row is in a state, every wave was sent once, and lanes and rows agree."""
        agree = self.delivery.batched == self.delivery.batched_by_lanes
        return self.accounted == self.survey.source_rows and not self.evaluated_again and agree

    @property
    def error_rate_percent(self) -> float:
        """(invalid + rejected + failed) / (source − unchanged − held) × 100; 0 where there was nothing to do.

        What is held was an error of an earlier run (docs/decisions/0009-held-is-no-new-error.md).
        """
        considered = self.survey.source_rows - self.survey.unchanged - self.survey.held
        delivery = self.delivery
        wrong = delivery.invalid + delivery.rejected + delivery.failed
        return 100.0 * wrong / considered if considered > 0 else 0.0


@dataclass(frozen=True)
class Preview:
    """What a run would do.

    Attributes:
        counts: rows by state.
        plan: how it would be cut.
        reasons: why records are invalid.
        samples: payloads of a few records that would be sent; they hold values, mask them before showing.
        source: what was read.
        notes: why the run would write other bytes than the last one, a sentence each.
    """

    counts: StateCounts
    plan: DeliveryPlan
    reasons: tuple[Reason, ...]
    samples: tuple[str, ...]
    source: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class SyncResult:
    """What became of one run.

    Attributes:
        run_id: the run, sortable by sequence.
        sync: the sync's name.
        exit_status: what a command ends with.
        books: all counts.
        plan: how it was cut; None where there was nothing to send.
        message: one sentence for people.
        seconds: whole run.
        delivery_seconds: the one action that sends.
        phases: seconds by phase, in order.
        notes: why the run wrote other bytes than the last one, a sentence each.
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
