"""Counts what became of a job's records, batch by batch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from cio_spark.batch_facts import retries_of
from cio_spark.config import BatchStatus
from cio_spark.delivery import BatchFacts, OutcomeGroup
from cio_spark.delivery.outcome import ACCEPTED, INVALID, NOT_ATTEMPTED
from cio_spark.notebook.metrics import BatchMetrics

MOST_REASONS = 20


@dataclass
class Tally:
    """Counts the records of one batch, or the records of one status that never were in a batch.

    Attributes:
        status: status of the last group that was counted.
        facts: facts of the batch; None for records that never were in a batch.
        attempts, splits, retries: number of tries, of divisions, and of tries that were not first ones, over all
            requests of the batch.
        accepted, failed: numbers of records.
        reasons: reasons for failures, each once, in the order in which they came; the first 20.
        codes: number of failed records, by error code.
    """

    status: str
    facts: BatchFacts | None = None
    attempts: int = 0
    splits: int = 0
    retries: int = 0
    accepted: int = 0
    failed: int = 0
    reasons: dict[str, None] = field(default_factory=dict)
    codes: Counter[str] = field(default_factory=Counter)

    @property
    def complete(self) -> bool:
        """Tell whether every record of the batch has been counted."""
        return self.facts is not None and self.accepted + self.failed >= self.facts.records

    def add(self, group: OutcomeGroup) -> None:
        """Count a group of records of the batch."""
        self.status, self.facts = group.status, group.batch or self.facts
        if group.batch is not None:
            self.attempts += group.batch.attempts
            self.splits += group.batch.splits
            self.retries += retries_of(group.batch.attempts, 1, group.batch.splits)
        if group.status == ACCEPTED:
            self.accepted += group.records.num_rows
            return
        self.failed += group.records.num_rows
        if group.status == INVALID:
            self.codes.update(group.records.column("error_code").to_pylist())
        else:
            self.codes[group.error_code or group.status] += group.records.num_rows
        if group.status == INVALID:
            self.add_reasons(group.records.column("error_message").to_pylist())
        elif group.http_status is None or group.status == NOT_ATTEMPTED:
            self.add_reasons([group.error_message or group.error_code or group.status])
        else:  # the API's own words may echo what was sent, and reasons are shown to people
            self.add_reasons([group.error_code or group.status])

    def merge(self, other: Tally) -> None:
        """Add the counts of another batch to this one."""
        if other.status != ACCEPTED:
            self.status = other.status
        self.accepted, self.failed = self.accepted + other.accepted, self.failed + other.failed
        self.attempts, self.splits = self.attempts + other.attempts, self.splits + other.splits
        self.retries += other.retries
        self.facts = _together(self.facts, other.facts)
        self.add_reasons(other.reasons)
        self.codes.update(other.codes)

    def add_unsent(self, records: int, code: str, reason: str) -> None:
        """Count records that never reached the delivery."""
        self.failed += records
        self.codes[code] += records
        self.add_reasons([reason])

    def add_reasons(self, reasons: Iterable[str]) -> None:
        """Remember why records failed, up to 20 different reasons."""
        for reason in reasons:
            if len(self.reasons) >= MOST_REASONS:
                return
            self.reasons[reason] = None

    def metrics(self, batch_id: str, error_threshold_percent: float, worker_id: str | None = None) -> BatchMetrics:
        """Return the counts in the form that the notebook uses.

        Args:
            batch_id: id of the batch.
            error_threshold_percent: error rate in percent above which the batch is `failed`.
            worker_id: name of the worker that sent the batch; None for the lane that sent it, if a lane did.
        """
        facts = self.facts
        metrics = BatchMetrics(
            batch_id=batch_id,
            worker_id=worker_id if worker_id or facts is None else f"worker_{facts.lane}",
            total_records=self.accepted + self.failed,
            successful_records=self.accepted,
            failed_records=self.failed,
            errors=list(self.reasons),
        )
        if facts is not None:
            metrics.started_at, metrics.completed_at = facts.started_at, facts.completed_at
            metrics.processing_time_seconds = max(0.0, (facts.completed_at - facts.started_at).total_seconds())
            metrics.attempts, metrics.splits, metrics.retry_count = self.attempts, self.splits, self.retries
            metrics.requests, metrics.bytes = facts.requests, facts.bytes
            metrics.request_seconds, metrics.throttled_seconds = facts.request_seconds, facts.throttled_seconds
            metrics.memory_usage_mb = facts.memory_usage_mb
            if facts.cpu_usage_percent is not None:  # in percent of one core: several lanes together may use more
                metrics.cpu_usage_percent = min(100.0, facts.cpu_usage_percent)
        metrics.calculate_derived_metrics()
        if self.status == NOT_ATTEMPTED and not self.accepted:
            metrics.status = BatchStatus.CANCELLED
        elif metrics.is_healthy(error_threshold_percent):
            metrics.status = BatchStatus.COMPLETED
        else:
            metrics.status = BatchStatus.FAILED
        return metrics


def _together(one: BatchFacts | None, other: BatchFacts | None) -> BatchFacts | None:
    """Return the facts of the other batch, with requests, bytes and seconds of both added up."""
    if one is None or other is None:
        return other or one
    return other._replace(
        requests=one.requests + other.requests,
        bytes=one.bytes + other.bytes,
        request_seconds=one.request_seconds + other.request_seconds,
        throttled_seconds=one.throttled_seconds + other.throttled_seconds,
    )
