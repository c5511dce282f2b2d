"""Chooses what a run looks at, from its source, the tables and the runs before it (docs/scope.md)."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import NamedTuple

from cio_spark import planning
from cio_spark.config import ChangeFeedUse, SyncConfig
from cio_spark.coverage import Coverage, Scope, ScopeChoice
from cio_spark.errors import ConfigurationError
from cio_spark.model import Books, RunKind
from cio_spark.pipeline.fingerprint import columns_hash, fingerprint, outside_function, session_variable
from cio_spark.pipeline.keys import KEY
from cio_spark.pipeline.known_records import failed_wait_for_replay
from cio_spark.pipeline.used_columns import used_columns
from cio_spark.results import MAINTENANCE_COMMENT, RunState, Tables
from cio_spark.source import Snapshot
from cio_spark.spark import sql as users_sql
from cio_spark.spark.delta_table import read_commits, table_id
from cio_spark.spark.fixed_settings import settings_in_force

_OURS = planning.HOUSEKEEPING | {"ADD COLUMNS", "UPGRADE PROTOCOL"}
"""Operations on our tables that change no row."""


class LedgerVersions(NamedTuple):
    """Holds the versions of our tables up to which only we have changed them.

    Attributes:
        record_status: version of `record_status`.
        dead_letters: version of `dead_letters`, if failed records wait there for a replay; else None.
    """

    record_status: int
    dead_letters: int | None


@dataclass(frozen=True)
class RunScope:
    """Holds what a run looks at, and the facts by which that was chosen.

    Attributes:
        choice: the scope and its reason.
        source: what the run has pinned; None if no version alone decides the rows.
        covered: what earlier runs have covered; None if there is nothing.
        pending_since: id of the run from which on records may have been left to be tried again; None if none were.
        examined: versions of our tables that were examined; None if they were not, or cannot be used.
    """

    choice: ScopeChoice
    source: planning.SourceState | None
    covered: Coverage | None = None
    pending_since: str | None = None
    examined: LedgerVersions | None = None


def choose_scope(
    config: SyncConfig,
    tables: Tables,
    snapshot: Snapshot,
    runs: Sequence[RunState],
    *,
    asked_for: str | None,
    now: datetime,
) -> RunScope:
    """Choose what a run looks at; run no job on the rows of the source.

    Args:
        config: configuration of the sync, in which `prepare_and_validate` has found no problem.
        tables: access to the Delta tables.
        snapshot: the source as the run has pinned it.
        runs: earlier runs of the sync, oldest first.
        asked_for: why the user wants to look at all rows; None if nobody asked.
        now: the present time.

    Raises:
        ConfigurationError: `source.changes` is `required`, and the source has no version to compare with, or lacks some
            of its history.
    """
    base = next((run for run in reversed(runs) if run.coverage is not None), None)
    covered = None if base is None else base.coverage
    source, not_pinned = _pinned(config, tables, snapshot)
    later = [] if base is None else [run for run in runs if run is base or _may_be_later(run, base)]
    left = [run.run_id for run in later if run.may_have_left(retried_statuses(config))]
    examined, ledger_problem = None, None
    if covered is not None and not not_pinned and not asked_for:
        examined, ledger_problem = _examine_ledger(config, tables, covered)
    facts = planning.ScopeFacts(
        not_pinned=not_pinned,
        asked_for=asked_for,
        source=source,
        covered=covered,
        ledger_problem=ledger_problem,
        other_runs=_other_settings(source, later),
        pending=bool(left),
        compares_rows=config.source.where is None,
        uses_changes=config.source.changes is not ChangeFeedUse.OFF,
        full_every=timedelta(days=config.source.full_every_days) if config.source.full_every_days else None,
        now=now,
    )
    choice = planning.choose_before_history(facts)
    if choice is None:
        assert source is not None
        assert covered is not None
        assert snapshot.name is not None
        commits = read_commits(tables.spark, snapshot.name, covered.version, source.version)
        choice = planning.choose_by_history(facts, commits)
    if config.source.changes is ChangeFeedUse.REQUIRED and (not_pinned or choice.falls_back):
        raise _changes_required(choice.reason)
    return RunScope(choice, source, covered, min(left, default=None), examined)


def reason_for_all_rows(limit: int | None, *, full: bool, retry_held: bool) -> str | None:
    """Return why the user wants to look at all rows; None if the user did not ask."""
    asked = {"--limit": limit is not None, "--full": full, "--retry-held": retry_held}
    return next((name for name, given in asked.items() if given), None)


def fall_back(config: SyncConfig, scope: RunScope, reason: str) -> RunScope:
    """Return the scope of a run that cannot use the change feed: it looks at all rows.

    Args:
        config: configuration of the sync.
        scope: the scope that was chosen.
        reason: why the change feed cannot be used.

    Raises:
        ConfigurationError: `source.changes` is `required`.
    """
    if config.source.changes is ChangeFeedUse.REQUIRED:
        raise _changes_required(reason)
    return replace(scope, choice=ScopeChoice(Scope.FULL, reason, falls_back=True))


def _changes_required(reason: str) -> ConfigurationError:
    """Return the error of a run that must find changes by the change feed and cannot.

    Args:
        reason: why it cannot.
    """
    return ConfigurationError.of("source.changes", f"is required, but {reason}; nothing was sent")


def retried_statuses(config: SyncConfig) -> tuple[str, ...]:
    """Return the statuses with which a record is tried again although its row has not changed."""
    return ("failed", "not_attempted") if config.call.is_held else ("failed", "not_attempted", "rejected")


def covered_by_run(
    config: SyncConfig, scope: RunScope, books: Books, *, began_at: datetime, tables: Tables, ledger_version: int
) -> Coverage | None:
    """Return which source rows the sync has covered after a run; None if the run changes nothing about that.

    Rows of waves that were not started, or that are in doubt, are only counted, so they would be lost if the covered
    version moved past them. Rows that failed are in `record_status`, where the next run finds them.

    Args:
        config: configuration of the sync.
        scope: scope of the run, which read its source without a limit.
        books: the counts of the run.
        began_at: when the run began.
        tables: access to the Delta tables.
        ledger_version: version of `record_status` before the run wrote any row, used if none was examined.
    """
    source = scope.source
    if source is None or not books.balanced or books.not_started or books.in_doubt:
        return None
    full_at, full_rows = began_at.isoformat(), books.survey.source_rows
    if scope.choice.scope is not Scope.FULL:
        if scope.covered is None:
            return None
        full_at, full_rows = scope.covered.full_at, scope.covered.full_rows
    letters_version = tables.version("dead_letters") if failed_wait_for_replay(config) else None
    versions = scope.examined or LedgerVersions(ledger_version, letters_version)
    return Coverage(
        version=source.version,
        table_id=source.table_id,
        columns=source.columns,
        fingerprint=source.fingerprint,
        ledger_id=table_id(tables.spark, tables.name("record_status")),
        ledger_version=versions.record_status,
        letters_version=versions.dead_letters,
        full_at=full_at,
        full_rows=full_rows,
    )


def _may_be_later(run: RunState, base: RunState) -> bool:
    """Tell whether a run may have written rows after the run that last covered the source, by its id or its events."""
    return run.run_id >= base.run_id or run.last_event_at > base.last_event_at or not run.settled


def _other_settings(source: planning.SourceState | None, later: Sequence[RunState]) -> str | None:
    """Return why rows of runs since the last covering one say nothing about this run's bytes; None if they do."""
    if source is None:
        return None
    for run in later:
        sends_rows = run.kind not in (RunKind.REPLAY.value, RunKind.TAKEN_OVER.value)
        if sends_rows and run.may_have_written and run.fingerprint != source.identity:
            return f"run {run.run_id} had another configuration or source"
    return None


def _pinned(config: SyncConfig, tables: Tables, snapshot: Snapshot) -> tuple[planning.SourceState | None, str | None]:
    """Return what the run has pinned, or the reason why no version alone decides the rows."""
    if snapshot.version is None or snapshot.name is None:
        return None, "no version of a Delta table alone decides the rows of this source"
    if any(name.lower() == KEY for name in snapshot.rows.columns):
        return None, f"the source has a column {KEY}, which is a name of cio_spark's own"
    if any("${" in text for text in config.expressions().values()):
        return None, "an expression has a ${variable} of the session, whose value may change"
    function = outside_function(tables.spark, config)
    if function is not None:
        return None, f"{function} is not one of Spark's own functions, so that its result may change by itself"
    variable = session_variable(tables.spark, config, snapshot.rows.columns)
    if variable is not None:
        return None, f"{variable} is a variable of the session, whose value may change"
    try:
        used = used_columns(config, snapshot.rows)
    except ConfigurationError:
        return None, "a column of the source has a type that no Delta table can hold"
    words = users_sql.words_in(config.source.where) if config.source.where is not None else frozenset()
    named = [name for name in snapshot.rows.columns if words is None or name.lower() in words]
    return (
        planning.SourceState(
            version=snapshot.version,
            table_id=table_id(tables.spark, snapshot.name),
            columns=columns_hash(snapshot.rows, {*used, *named}),
            fingerprint=fingerprint(config, settings_in_force(tables.spark), tables.spark.version),
        ),
        None,
    )


def _examine_ledger(config: SyncConfig, tables: Tables, covered: Coverage) -> tuple[LedgerVersions | None, str | None]:
    """Look whether `record_status` still says what became of the covered rows.

    Users reset a sync by deleting its rows, or by restoring an older version of the table. Where failed records wait in
    dead letters, a letter that was dropped makes its record wait for the next run instead.

    Returns:
        The versions up to which nobody else has changed our tables, and the reason why these cannot be used; None for
        whichever there is not.
    """
    name = tables.name("record_status")
    if table_id(tables.spark, name) != covered.ledger_id:
        return None, "record_status is another table than before"
    version = tables.version("record_status")
    problem = _foreign_change(tables, "record_status", covered.ledger_version, version, ours=_OURS, maintained=True)
    letters = None
    if problem is None and failed_wait_for_replay(config):
        since, letters = covered.letters_version, tables.version("dead_letters")
        if since is None:
            return None, "dead letters decide now which records wait"
        # `maintain` drops letters that were delivered by MERGE, and letters that are too old by DELETE
        problem = _foreign_change(tables, "dead_letters", since, letters, ours=_OURS | {"MERGE"}, maintained=False)
    return (LedgerVersions(version, letters), None) if problem is None else (None, problem)


def _foreign_change(
    tables: Tables, table: str, since: int, until: int, *, ours: Collection[str], maintained: bool
) -> str | None:
    """Return the first change of one of our tables that is neither an append nor one of `ours`; None if there is none.

    Args:
        tables: access to the Delta tables.
        table: name of the table.
        since, until: versions between which the changes are looked at.
        ours: other operations that change no row that a run needs.
        maintained: whether all that `maintain` does is one of ours.
    """
    if until == since:
        return None
    commits = read_commits(tables.spark, tables.name(table), since, until)
    if len(commits) != until - since:
        return f"the history of {table} lacks versions since the last run"
    for commit in commits:
        appends = commit.operation == "WRITE" and commit.parameters.get("mode") == "Append"
        by_maintenance = maintained and commit.user_metadata == MAINTENANCE_COMMENT
        if not appends and commit.operation not in ours and not by_maintenance:
            return f"rows of {table} were changed from outside (version {commit.version}: {commit.operation})"
    return None
