"""Tests what a run looks at, by the facts about its source, its history and its settings."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cio_spark.coverage import Coverage, Scope
from cio_spark.planning import ScopeFacts, SourceState, choose_before_history, choose_by_history

NOON = datetime(2026, 3, 8, 12, tzinfo=timezone.utc)
SOURCE = SourceState(version=7, table_id="t", columns="c", fingerprint="f")
COVERED = Coverage(
    version=7,
    table_id="t",
    columns="c",
    fingerprint="f",
    ledger_id="l",
    ledger_version=3,
    letters_version=None,
    full_at=(NOON - timedelta(days=1)).isoformat(),
    full_rows=300,
)
FACTS = ScopeFacts(
    not_pinned=None,
    asked_for=None,
    source=SOURCE,
    covered=COVERED,
    ledger_problem=None,
    other_runs=None,
    pending=False,
    compares_rows=True,
    uses_changes=True,
    full_every=timedelta(days=7),
    now=NOON,
)


@dataclass(frozen=True)
class OneCommit:
    """Stands for a commit of the source."""

    version: int
    operation: str = "UPDATE"
    metrics: dict[str, int] = field(default_factory=dict)

    def metric(self, name: str) -> int | None:
        return self.metrics.get(name)


def before_history(**changed: Any) -> tuple[Scope, str] | None:
    choice = choose_before_history(replace(FACTS, **changed))
    return None if choice is None else (choice.scope, choice.reason)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"not_pinned": "a view"}, "a view"),
        ({"asked_for": "--full"}, "--full"),
        ({"covered": None}, "no run has covered"),
        ({"source": replace(SOURCE, fingerprint="g")}, "the configuration"),
        ({"source": replace(SOURCE, table_id="u")}, "another table"),
        ({"source": replace(SOURCE, version=6)}, "gone back to version 6"),
        ({"source": replace(SOURCE, columns="d")}, "the columns"),
        ({"ledger_problem": "rows were changed"}, "rows were changed"),
        ({"other_runs": "run x had another configuration"}, "run x"),
        ({"now": NOON + timedelta(days=6, seconds=1)}, "reconciliation: the last full run began on 2026-03-07"),
    ],
)
def test_a_run_must_look_at_all_rows(changed: dict[str, Any], words: str) -> None:
    chosen = before_history(**changed)
    assert chosen is not None
    assert chosen[0] is Scope.FULL
    assert words in chosen[1]


def test_without_a_new_version_a_run_looks_at_nothing_or_at_what_waits() -> None:
    assert before_history() == (Scope.NONE, "the source has not changed, and no record waits")
    waiting = before_history(pending=True)
    assert waiting is not None
    assert waiting[0] is Scope.INCREMENTAL


def test_the_last_full_run_may_be_exactly_as_old_as_allowed_and_never_is_too_old_with_0() -> None:
    edge = before_history(now=NOON + timedelta(days=6))
    assert edge is not None
    assert edge[0] is Scope.NONE
    never = before_history(now=NOON + timedelta(days=900), full_every=None)
    assert never is not None
    assert never[0] is Scope.NONE


def by_history(*commits: OneCommit, **changed: Any) -> Any:
    newest = 7 + len(commits)
    facts = replace(FACTS, source=replace(SOURCE, version=newest), **changed)
    assert choose_before_history(facts) is None
    return choose_by_history(facts, commits)


@pytest.mark.parametrize(
    ("commits", "scope", "words"),
    [
        ([OneCommit(8)], Scope.INCREMENTAL, "versions 8 to 8"),
        ([OneCommit(8, "OPTIMIZE"), OneCommit(9, "VACUUM END")], Scope.NONE, "no row of the source has changed"),
        ([OneCommit(8, "OPTIMIZE"), OneCommit(9, "MERGE")], Scope.INCREMENTAL, "versions 8 to 9"),
        ([OneCommit(9), OneCommit(10)], Scope.FULL, "lacks versions from 8 to 9"),
        ([OneCommit(8, "CLONE")], Scope.FULL, "version 8 of the source was made by CLONE"),
        ([OneCommit(8, "UPDATE", {"numUpdatedRows": 100})], Scope.INCREMENTAL, "versions 8 to 8"),
        ([OneCommit(8, "UPDATE", {"numUpdatedRows": 101})], Scope.FULL, "about 101 rows have changed"),
        ([OneCommit(8, "MERGE", {"numTargetRowsUpdated": 60, "numTargetRowsInserted": 60})], Scope.FULL, "about 120"),
        ([OneCommit(8, "WRITE", {"numOutputRows": 200})], Scope.FULL, "about 200"),
        ([OneCommit(8, "DELETE", {"numOutputRows": 200})], Scope.INCREMENTAL, "versions 8 to 8"),
    ],
)
def test_the_history_decides(commits: list[OneCommit], scope: Scope, words: str) -> None:
    choice = by_history(*commits)
    assert choice.scope is scope
    assert words in choice.reason
    assert choice.falls_back is ("lacks" in words)
    assert (choice.changed_rows is not None) is (scope is Scope.INCREMENTAL)


def test_changes_off_and_a_condition_on_the_source_are_heeded() -> None:
    assert by_history(OneCommit(8), uses_changes=False).reason == "source.changes is off"
    many = OneCommit(8, "UPDATE", {"numUpdatedRows": 5_000})
    assert by_history(many, compares_rows=False).scope is Scope.INCREMENTAL
    assert by_history(OneCommit(8, "OPTIMIZE"), pending=True).changed_rows is None
