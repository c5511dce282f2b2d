"""Names the statuses that a record can get and the states that a row can have, all in this one place."""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    """Lists what can become of a record in a run: the values of `record_status.status`."""

    ACCEPTED = "accepted"
    INVALID = "invalid"
    """Validation refused the record, and it was not sent."""
    REJECTED = "rejected"
    """The API refused the record."""
    FAILED = "failed"
    """The record was sent without a confirmation that it arrived, or the API could not take it."""
    NOT_ATTEMPTED = "not_attempted"
    """The record was not sent, for a reason that has nothing to do with the record."""

    def __str__(self) -> str:
        return self.value


class State(str, Enum):
    """Lists the states that the ledger gives to records before the delivery (docs/reliability.md)."""

    NEW = "new"
    CHANGED = "changed"
    AGAIN = "again"
    """An earlier run wrote a status for the record, and its last attempt, if there was one, was not accepted."""
    INVALID = "invalid"
    UNCHANGED = "unchanged"
    CHANGED_IGNORED = "changed_ignored"
    """The record was accepted once and has changed since, and `on_change` is `ignore`."""
    HELD = "held"
    """The same payload was refused before, or it failed and waits as a dead letter for a replay."""
    SUPERSEDED = "superseded"
    """Another row of the source has the same record id and takes precedence."""

    def __str__(self) -> str:
        return self.value


STATUSES: tuple[str, ...] = tuple(status.value for status in Status)

SENT_STATUSES: tuple[str, ...] = ("accepted", "rejected", "failed")
"""Statuses of records that were sent in a request; `invalid` and most `not_attempted` records never were."""

SKIPPED_STATES: tuple[str, ...] = ("unchanged", "changed_ignored", "held", "superseded")
"""States of rows for which a run does nothing."""

ROW_STATES: tuple[str, ...] = (*STATUSES, *SKIPPED_STATES, "not_started", "in_doubt")
"""States that a source row can have after a run: each row is in exactly one, so they add up to the source's rows."""
