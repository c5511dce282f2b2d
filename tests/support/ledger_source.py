"""Imitates the source of the ledger's model test: its records change, go back, vanish, and are refused."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import NamedTuple

# Each of the first eight records has a person of its own and no time, so that it can go back to exactly an earlier
# version. The other records share a person two by two, and every version is newer than all versions before it.
PERSON_OF = {f"r{i}": f"p{i}" if i < 8 else f"p{i // 2 + 4}" for i in range(14)}
ALONE = frozenset(list(PERSON_OF)[:8])
TOO_LONG = "x" * 1001


class Edit(Enum):
    """Names what happens to a record between two runs."""

    CHANGE = "change or add"
    GO_BACK = "go back to the version before"
    REMOVE = "remove"
    DOUBLE = "add an older duplicate"
    SPOIL = "make our validation refuse it"
    POISON = "make the API refuse its person"
    HEAL = "the API takes its person again"


class Version(NamedTuple):
    """Describes one version of a record; its `plan` identifies the version in every payload."""

    number: int
    record: str
    valid: bool = True

    @property
    def plan(self) -> str:
        return f"v{self.number}" if self.valid else f"{TOO_LONG}{self.number}"

    @property
    def at(self) -> int | None:
        return None if self.record in ALONE else self.number


@dataclass
class Source:
    """Imitates the table that the sync reads."""

    rows: dict[str, Version] = field(default_factory=dict)
    superseded: dict[str, Version] = field(default_factory=dict)
    poisoned: set[str] = field(default_factory=set)
    _history: dict[str, list[Version]] = field(default_factory=dict)
    _number: int = 0

    def edit(self, edit: Edit, record: str) -> None:
        if edit in (Edit.CHANGE, Edit.SPOIL):
            self._number += 10  # leaves room for older duplicates
            self._put(Version(self._number, record, valid=edit is Edit.CHANGE))
        elif edit is Edit.GO_BACK and record in ALONE and len(self._history.get(record, ())) > 1:
            self._put(self._history[record][-2])
        elif edit is Edit.REMOVE:
            self.rows.pop(record, None)
            self.superseded.pop(record, None)
        elif edit is Edit.DOUBLE and record in self.rows:
            self.superseded[record] = Version(self.rows[record].number - 1, record)
        elif edit is Edit.POISON:
            self.poisoned.add(PERSON_OF[record])
        elif edit is Edit.HEAL:
            self.poisoned.discard(PERSON_OF[record])

    def _put(self, version: Version) -> None:
        self._history.setdefault(version.record, []).append(version)
        self.rows[version.record] = version
        self.superseded.pop(version.record, None)

    def rows_by_record(self) -> dict[str, list[Version]]:
        """Return the rows of each record, its older duplicate last."""
        return {
            record: [row, *([self.superseded[record]] if record in self.superseded else [])]
            for record, row in self.rows.items()
        }

    def sql(self) -> str:
        values = [
            f"('{row.record}', '{PERSON_OF[row.record]}', '{row.plan}', "
            f"timestamp_seconds({row.at or 'NULL'}), {row.number})"
            for row in [*self.rows.values(), *self.superseded.values()]
        ]
        rows = ", ".join(values) or "(NULL, NULL, NULL, timestamp_seconds(NULL), NULL)"
        query = f"SELECT * FROM VALUES {rows} AS source (rec, person, plan, at, n)"
        return query if values else f"{query} WHERE n IS NOT NULL"
