"""Defines the scope of a run, and what a run writes down about the rows that it has covered (docs/scope.md)."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from datetime import datetime
from enum import Enum


class Scope(str, Enum):
    """Lists what a run looks at: the values of `sync_runs.scope`."""

    NONE = "none"
    """Nothing: the source has not changed since the last run, and nothing waits to be sent again."""
    INCREMENTAL = "incremental"
    """The rows whose keys have changed since the covered version, and those that wait to be sent again."""
    FULL = "full"
    """All rows of the source."""

    def __str__(self) -> str:
        return self.value


@dataclass(frozen=True)
class ScopeChoice:
    """Says what a run looks at, and why.

    Attributes:
        scope: the scope.
        reason: one phrase for people.
        falls_back: whether the run looks at everything only because the change feed cannot be used.
        changed_rows: rows that the commits since the covered version say they have changed; None if the change feed
            need not be read.
    """

    scope: Scope
    reason: str
    falls_back: bool = False
    changed_rows: int | None = None


@dataclass(frozen=True)
class Coverage:
    """Describes the source rows that a sync has covered: of each, a run has made what had to be made.

    A later run needs to look only at what has changed since, if all these facts are still the same.

    Attributes:
        version: version of the source table up to which all changes are covered.
        table_id: id of the source table.
        columns: hash of the names, types and defaults of the columns that the sync uses.
        fingerprint: hash of the settings that decide about the bytes and the states of records.
        ledger_id: id of the table `record_status`.
        ledger_version: version of `record_status` up to which only we have changed it.
        letters_version: the same of `dead_letters`, if failed records wait there for a replay; else None.
        full_at: time when the newest run that looked at all rows began, in UTC, as ISO 8601.
        full_rows: number of rows that it found in the source.
    """

    version: int
    table_id: str
    columns: str
    fingerprint: str
    ledger_id: str
    ledger_version: int
    letters_version: int | None
    full_at: str
    full_rows: int

    @property
    def last_full_run(self) -> datetime:
        """Return `full_at` as a time."""
        return datetime.fromisoformat(self.full_at)

    def to_json(self) -> str:
        """Write the facts as the JSON text that `sync_runs` keeps."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str | None) -> Coverage | None:
        """Read the facts; return None if there are none, or if another package version wrote others."""
        try:
            return cls(**json.loads(text)) if text else None
        except (ValueError, TypeError):
            return None
