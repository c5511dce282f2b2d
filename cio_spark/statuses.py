"""Names what can become of a record, and in which states rows are: the words of the tables, each said once."""

from __future__ import annotations

from enum import Enum


class Status(str, Enum):
    """What became of a record in a run: `record_status.status`."""

    ACCEPTED = "accepted"
    INVALID = "invalid"
    """It broke a rule of ours and was not sent."""
    REJECTED = "rejected"
    """The API refused it."""
    FAILED = "failed"
    """It was sent, and nobody knows that it arrived; or the API could not take it."""
    NOT_ATTEMPTED = "not_attempted"
    """It was not sent for a reason that has nothing to do with it."""

    def __str__(self) -> str:
        return self.value


class State(str, Enum):
    """What the ledger says of a record before the delivery (docs/reliability.md)."""

    NEW = "new"
    CHANGED = "changed"
    AGAIN = "again"
    """It was tried before, and never settled."""
    INVALID = "invalid"
    UNCHANGED = "unchanged"
    CHANGED_IGNORED = "changed_ignored"
    """It was accepted once, has changed since, and `on_change` is `ignore`."""
    HELD = "held"
    """This very payload was refused before."""
    SUPERSEDED = "superseded"
    """Another row of the source has the same record id."""

    def __str__(self) -> str:
        return self.value


STATUSES: tuple[str, ...] = tuple(status.value for status in Status)

SENT_STATUSES: tuple[str, ...] = ("accepted", "rejected", "failed")
"""Statuses of records that were put on the wire; `invalid` and most `not_attempted` ones never were."""

LEFT_ALONE: tuple[str, ...] = ("unchanged", "changed_ignored", "held", "superseded")
"""States of rows for which a run does nothing."""

ROW_STATES: tuple[str, ...] = (*STATUSES, *LEFT_ALONE, "not_started", "in_doubt")
"""Where a source row is after a run: in exactly one of these, which add up to the source's rows."""
