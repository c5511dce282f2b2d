"""Holds the facts about one record or person as data; `cli.render.record_view` shows them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cio_spark.explain.subject import Subject
from cio_spark.statuses import SENT_STATUSES


@dataclass(frozen=True)
class SourceRecord:
    """Describes a record that the source has now.

    Attributes:
        record_id, person_key: ids of the record and its person.
        occurred_at: time of the record.
        payload: JSON of the call, without message id; it contains values of the row.
        payload_hash: hash that tells versions of the record apart.
        error_code, error_message: reason why validation refuses the record; None if it is valid.
        state: state that the next run would give the record: new, changed, again, unchanged, changed_ignored, held or
            invalid.
    """

    record_id: str | None
    person_key: str | None
    occurred_at: datetime | None
    payload: str
    payload_hash: int
    error_code: str | None
    error_message: str | None
    state: str


@dataclass(frozen=True)
class InSource:
    """Describes the source's rows of the subject.

    Attributes:
        source: description of the source, with its version.
        rows: number of rows of the subject.
        records: records of these rows, without older duplicates.
        left_out: number of rows of the subject that `source.where` leaves out; counted only if `rows` is 0.
        trouble: reason why the source could not be read; None if it was read.
    """

    source: str
    rows: int = 0
    records: tuple[SourceRecord, ...] = ()
    left_out: int = 0
    trouble: str | None = None


@dataclass(frozen=True)
class Attempt:
    """Describes what a run did with a record, as a row of `record_status`."""

    run_id: str
    record_id: str | None
    status: str
    error_category: str | None
    error_code: str | None
    error_message: str | None
    http_status: int | None
    message_id: str | None
    payload_hash: int | None
    batch_id: str | None
    attempts: int | None
    attempted_at: datetime | None

    @property
    def was_sent(self) -> bool:
        """Tell whether the record was sent at least once."""
        return self.status in SENT_STATUSES or bool(self.attempts)

    @property
    def answer(self) -> str:
        """Result of the attempt in a few words."""
        if self.status == "accepted":
            return f"HTTP {self.http_status}" if self.http_status else "2xx"
        answered = f"HTTP {self.http_status}" if self.http_status else "no answer" if self.was_sent else "not sent"
        why = ": ".join(part for part in (self.error_code, self.error_message) if part)
        return f"{answered}, {why}" if why else answered


@dataclass(frozen=True)
class Letter:
    """Describes a dead letter.

    Attributes:
        run_id, record_id, message_id, error_code, error_message, dead_at: as in the table.
        payload: JSON that was to be sent, which contains values of the row; None if it was not stored.
        accepted_since: whether the record was accepted in a later run or a replay.
    """

    run_id: str
    record_id: str | None
    message_id: str | None
    error_code: str | None
    error_message: str | None
    dead_at: datetime | None
    payload: str | None
    accepted_since: bool


@dataclass(frozen=True)
class Explanation:
    """Holds all facts about a record or person.

    Attributes:
        sync: name of the sync.
        subject: the record or person.
        in_source: the source's rows of the subject.
        attempts: attempts of runs, newest first.
        letters: dead letters, newest first.
        has_more: whether there are more attempts than these.
    """

    sync: str
    subject: Subject
    in_source: InSource
    attempts: tuple[Attempt, ...]
    letters: tuple[Letter, ...]
    has_more: bool = False

    @property
    def is_known(self) -> bool:
        """Tell whether the source or any run knows the subject."""
        return bool(self.in_source.rows or self.in_source.left_out or self.attempts or self.letters)


NEXT: Final = {
    "new": "the next run sends it: no run has tried it yet",
    "changed": "the next run sends it: its payload has changed since it was accepted",
    "again": "the next run sends it: the last try was not accepted, or was never made",
    "unchanged": "the next run leaves it alone: this very payload was accepted",
    "changed_ignored": "the next run leaves it alone: it was accepted once, and on_change is ignore",
    "held": "the next run leaves it alone: this very payload was refused before, or waits as a dead letter. "
    "Mend the row, replay it, or sync with --retry-held",
    "invalid": "the next run refuses it, before anything is sent",
}
"""Meaning of each state for the next run."""
ACCEPTED_MEANS: Final = (
    "accepted: the API answered 2xx, so Customer.io has taken the message in. It does not say that the message was "
    "processed, that the person exists, or that anything was delivered to anyone: Customer.io's activity log does."
)
