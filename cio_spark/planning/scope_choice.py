"""Chooses what a run looks at, by a pure function of facts (docs/scope.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from cio_spark.coverage import Coverage, Scope, ScopeChoice

HOUSEKEEPING = frozenset(
    {
        "OPTIMIZE",
        "VACUUM START",
        "VACUUM END",
        "REORG",
        "COMPUTE STATS",
        "ANALYZE TABLE",
        "SET TBLPROPERTIES",
        "UNSET TBLPROPERTIES",
        "CLUSTER BY",
    }
)
"""Operations of Delta that change no row."""
ROW_OPERATIONS = frozenset({"WRITE", "MERGE", "UPDATE", "DELETE", "RESTORE", "STREAMING UPDATE"})
"""Operations of Delta whose changed rows are in the change feed."""
MOST_CHANGED_SHARE = 1 / 3
"""If a larger share of the rows changed, to compare all payloads costs less than to find the changed rows first."""
_CHANGED_ROWS = (
    *("numTargetRowsInserted", "numTargetRowsUpdated", "numTargetRowsDeleted"),
    *("numUpdatedRows", "numDeletedRows"),
)


class TableCommit(Protocol):
    """Describes what the choice needs to know about a commit of the source table."""

    @property
    def version(self) -> int:
        """Number of the commit."""

    @property
    def operation(self) -> str:
        """Name of the operation."""

    def metric(self, name: str) -> int | None:
        """Return a number of rows that the operation reported; None if it did not."""


@dataclass(frozen=True)
class SourceState:
    """Identifies the rows and columns that a run has pinned.

    Attributes:
        version: version of the source table.
        table_id: id of the source table.
        columns: hash of the names, types and defaults of the columns that the sync uses.
        fingerprint: hash of the settings that decide about bytes and states.
    """

    version: int
    table_id: str
    columns: str
    fingerprint: str

    @property
    def identity(self) -> str:
        """Return what runs record as their fingerprint: that of the settings, with the table."""
        return f"{self.fingerprint}/{self.table_id}"


@dataclass(frozen=True)
class ScopeFacts:
    """Holds the facts by which the scope of a run is chosen.

    Attributes:
        not_pinned: why no version of a Delta table alone decides the rows; None if one does.
        asked_for: why the user wants to look at all rows; None if nobody asked.
        source: what the run has pinned; None if `not_pinned` is set.
        covered: what the sync has covered; None before the first run that covered its source.
        ledger_problem: why `record_status` no longer says what the covered rows became; None if it does.
        other_runs: why rows that later runs wrote say nothing about this run's bytes; None if they do.
        pending: whether records may wait to be sent again.
        compares_rows: whether the rows of a full run are all rows of the table, so that a share of changed rows says
            something; False if the source has a condition.
        uses_changes: False for `changes: off`.
        full_every: time after which all rows are looked at again; None for never.
        now: the present time.
    """

    not_pinned: str | None
    asked_for: str | None
    source: SourceState | None
    covered: Coverage | None
    ledger_problem: str | None
    other_runs: str | None
    pending: bool
    compares_rows: bool
    uses_changes: bool
    full_every: timedelta | None
    now: datetime


def choose_before_history(facts: ScopeFacts) -> ScopeChoice | None:
    """Choose the scope of a run without the history of its source; return None if the history decides.

    Args:
        facts: facts about the run.
    """
    reason = _reason_for_all_rows(facts)
    if reason is not None:
        return ScopeChoice(Scope.FULL, reason)
    assert facts.source is not None
    assert facts.covered is not None
    if facts.source.version > facts.covered.version:
        return None
    if facts.pending:
        return ScopeChoice(Scope.INCREMENTAL, "the source has not changed; records wait to be sent again")
    return ScopeChoice(Scope.NONE, "the source has not changed, and no record waits")


def choose_by_history(facts: ScopeFacts, commits: Sequence[TableCommit]) -> ScopeChoice:
    """Choose the scope of a run whose source has commits that the sync has not covered.

    Args:
        facts: facts about the run, for which `choose_before_history` returns None.
        commits: commits of the source after the covered version, oldest first.
    """
    assert facts.source is not None
    assert facts.covered is not None
    first, last = facts.covered.version + 1, facts.source.version
    if [commit.version for commit in commits] != list(range(first, last + 1)):
        reason = f"the history of the source lacks versions from {first} to {last}"
        return ScopeChoice(Scope.FULL, reason, falls_back=True)
    changing = [commit for commit in commits if commit.operation not in HOUSEKEEPING]
    if not changing:
        if facts.pending:
            return ScopeChoice(Scope.INCREMENTAL, "no row of the source has changed; records wait to be sent again")
        return ScopeChoice(Scope.NONE, "no row of the source has changed, and no record waits")
    if not facts.uses_changes:
        return ScopeChoice(Scope.FULL, "source.changes is off")
    unknown = next((commit for commit in changing if commit.operation not in ROW_OPERATIONS), None)
    if unknown is not None:
        return ScopeChoice(Scope.FULL, f"version {unknown.version} of the source was made by {unknown.operation}")
    changed = sum(_changed_rows(commit) for commit in changing)
    if facts.compares_rows and changed > MOST_CHANGED_SHARE * facts.covered.full_rows:
        return ScopeChoice(Scope.FULL, f"about {changed:,} rows have changed, so this costs less than the change feed")
    return ScopeChoice(Scope.INCREMENTAL, f"changes of the versions {first} to {last}", changed_rows=changed)


def _reason_for_all_rows(facts: ScopeFacts) -> str | None:
    """Return why the run must look at all rows, whatever has changed; None if it need not."""
    reason = facts.not_pinned or facts.asked_for
    if reason is not None:
        return reason
    source, covered = facts.source, facts.covered
    if covered is None or source is None:
        return "no run has covered the source yet"
    if source.fingerprint != covered.fingerprint:
        return "the configuration, the session or the package has changed in a way that decides about bytes"
    if source.table_id != covered.table_id:
        return "the source is another table than before"
    if source.version < covered.version:
        return f"the source has gone back to version {source.version}"
    if source.columns != covered.columns:
        return "the columns that the sync uses have changed"
    problem = facts.ledger_problem or facts.other_runs
    if problem is not None:
        return problem
    if facts.full_every is not None and facts.now - covered.last_full_run > facts.full_every:
        return f"reconciliation: the last full run began on {covered.last_full_run:%Y-%m-%d}"
    return None


def _changed_rows(commit: TableCommit) -> int:
    """Return how many rows a commit has changed, as far as it reports that."""
    numbers = [commit.metric(name) for name in _CHANGED_ROWS]
    if any(number is not None for number in numbers):
        return sum(number or 0 for number in numbers)
    return (commit.metric("numOutputRows") or 0) if commit.operation in ("WRITE", "STREAMING UPDATE") else 0
