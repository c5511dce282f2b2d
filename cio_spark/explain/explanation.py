"""What is known about one record or person, as data; `console_explain` shows it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from cio_spark.explain.subject import Subject
from cio_spark.statuses import SENT_STATUSES


@dataclass(frozen=True)
class SourceRecord:
    """A record that the source has now.

    Attributes:
        record_id, person_key: of the record.
        occurred_at: its time.
        payload: JSON of the call, without message id; it holds values.
        payload_hash: what versions are told apart by.
        error_code, error_message: why validation refuses it; None: it does not.
        state: what the next run would take it for: new, changed, again, unchanged, changed_ignored, held, invalid.
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
    """What the source says.

    Attributes:
        source: what was read, with its version.
        rows: how many of its rows are about the subject.
        records: of these the ones that count; older duplicates are left out.
        left_out: how many more rows there are that `source.where` leaves out; looked at only where there are no others.
        trouble: why it could not be read; None: it could.
    """

    source: str
    rows: int = 0
    records: tuple[SourceRecord, ...] = ()
    left_out: int = 0
    trouble: str | None = None


@dataclass(frozen=True)
class Attempt:
    """A row of `record_status`: what a run did with a record."""

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
        """Whether it was on the wire."""
        return self.status in SENT_STATUSES or bool(self.attempts)

    @property
    def answer(self) -> str:
        """What came back, in a few words."""
        if self.status == "accepted":
            return f"HTTP {self.http_status}" if self.http_status else "2xx"
        answered = f"HTTP {self.http_status}" if self.http_status else "no answer" if self.was_sent else "not sent"
        why = ": ".join(part for part in (self.error_code, self.error_message) if part)
        return f"{answered}, {why}" if why else answered


@dataclass(frozen=True)
class Letter:
    """A dead letter.

    Attributes:
        run_id, record_id, message_id, error_code, error_message, dead_at: as in the table.
        payload: what was to be sent, where it was kept; it holds values.
        accepted_since: whether a replay, or a later run, got it across.
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
    """Everything known.

    Attributes:
        sync: the sync's name.
        subject: who or what was asked about.
        in_source: what the source says.
        attempts: newest first.
        letters: newest first.
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
        """Whether the source or any run knows it."""
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
"""What a state means for the next run."""
ACCEPTED_MEANS: Final = (
    "accepted: the API answered 2xx, so Customer.io has taken the message in. It does not say that the message was "
    "processed, that the person exists, or that anything was delivered to anyone: Customer.io's activity log does."
)
