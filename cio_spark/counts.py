"""Counts the rows of a run by state, and compares the counts with each other; see docs/reliability.md."""

from __future__ import annotations

from dataclasses import dataclass

from cio_spark.statuses import ROW_STATES


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
    def by_state(self) -> dict[str, int]:
        """Return the number of rows in each state that a row can have after a run, in the order of `ROW_STATES`."""
        parts = (self.delivery, self.survey, self)
        return {state: next(getattr(part, state) for part in parts if hasattr(part, state)) for state in ROW_STATES}

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
