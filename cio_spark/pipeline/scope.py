"""Chooses what a run looks at, from its source, the tables and the runs before it (docs/scope.md)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cio_spark import planning
from cio_spark.config import ChangeFeedUse, SyncConfig
from cio_spark.coverage import Coverage, Scope, ScopeChoice
from cio_spark.errors import ConfigurationError
from cio_spark.model import Books
from cio_spark.pipeline.fingerprint import columns_hash, fingerprint, outside_function
from cio_spark.pipeline.used_columns import used_columns
from cio_spark.results import MAINTENANCE_COMMENT, RunState, Tables
from cio_spark.source import Snapshot
from cio_spark.spark import sql as users_sql
from cio_spark.spark.delta_table import read_commits, table_id
from cio_spark.spark.fixed_settings import settings_in_force

_OURS = planning.HOUSEKEEPING | {"ADD COLUMNS", "UPGRADE PROTOCOL"}


@dataclass(frozen=True)
class RunScope:
    """Holds what a run looks at, and the facts by which that was chosen.

    Attributes:
        choice: the scope and its reason.
        source: what the run has pinned; None if no version alone decides the rows.
        covered: what earlier runs have covered; None if there is nothing.
        pending_since: id of the run from which on records may have been left to be tried again; None if none were.
    """

    choice: ScopeChoice
    source: planning.SourceState | None
    covered: Coverage | None = None
    pending_since: str | None = None


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
    since = None if base is None else base.run_id
    statuses = retried_statuses(config)
    pending = since is not None and any(run.run_id >= since and run.may_have_left(statuses) for run in runs)
    facts = planning.ScopeFacts(
        not_pinned=not_pinned,
        asked_for=asked_for,
        source=source,
        covered=covered,
        ledger_problem=None if covered is None or not_pinned or asked_for else _ledger_problem(tables, covered),
        pending=pending,
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
        raise changes_required(choice.reason)
    return RunScope(choice, source, covered, since if pending else None)


def reason_for_all_rows(limit: int | None, *, full: bool, retry_held: bool) -> str | None:
    """Return why the user wants to look at all rows; None if the user did not ask."""
    asked = {"--limit": limit is not None, "--full": full, "--retry-held": retry_held}
    return next((name for name, given in asked.items() if given), None)


def changes_required(reason: str) -> ConfigurationError:
    """Return the error of a run that must find changes by the change feed and cannot.

    Args:
        reason: why it cannot.
    """
    return ConfigurationError.of("source.changes", f"is required, but {reason}; nothing was sent")


def retried_statuses(config: SyncConfig) -> tuple[str, ...]:
    """Return the statuses with which a record is tried again although its row has not changed."""
    return ("failed", "not_attempted") if config.call.is_held else ("failed", "not_attempted", "rejected")


def covered_by_run(
    scope: RunScope, books: Books, *, began_at: datetime, tables: Tables, ledger_version: int
) -> Coverage | None:
    """Return which source rows the sync has covered after a run; None if the run changes nothing about that.

    Rows of waves that were not started, or that are in doubt, are only counted, so they would be lost if the covered
    version moved past them. Rows that failed are in `record_status`, where the next run finds them.

    Args:
        scope: scope of the run, which read its source without a limit.
        books: the counts of the run.
        began_at: when the run began.
        tables: access to the Delta tables.
        ledger_version: version of `record_status` before the run wrote any row.
    """
    source = scope.source
    if source is None or not books.balanced or books.not_started or books.in_doubt:
        return None
    full_at, full_rows = began_at.isoformat(), books.survey.source_rows
    if scope.choice.scope is not Scope.FULL:
        if scope.covered is None:
            return None
        full_at, full_rows = scope.covered.full_at, scope.covered.full_rows
    return Coverage(
        version=source.version,
        table_id=source.table_id,
        columns=source.columns,
        fingerprint=source.fingerprint,
        ledger_id=table_id(tables.spark, tables.name("record_status")),
        ledger_version=ledger_version,
        full_at=full_at,
        full_rows=full_rows,
    )


def _pinned(config: SyncConfig, tables: Tables, snapshot: Snapshot) -> tuple[planning.SourceState | None, str | None]:
    """Return what the run has pinned, or the reason why no version alone decides the rows."""
    if snapshot.version is None or snapshot.name is None:
        return None, "no version of a Delta table alone decides the rows of this source"
    function = outside_function(tables.spark, config)
    if function is not None:
        return None, f"{function} is not one of Spark's own functions, so that its result may change by itself"
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
            fingerprint=fingerprint(config, settings_in_force(tables.spark)),
        ),
        None,
    )


def _ledger_problem(tables: Tables, covered: Coverage) -> str | None:
    """Return why `record_status` no longer says what became of the covered rows; None if it does.

    Users reset a sync by deleting its rows, or by restoring an older version of the table.
    """
    name = tables.name("record_status")
    if table_id(tables.spark, name) != covered.ledger_id:
        return "record_status is another table than before"
    version = tables.version("record_status")
    if version == covered.ledger_version:
        return None
    commits = read_commits(tables.spark, name, covered.ledger_version, version)
    if len(commits) != version - covered.ledger_version:
        return "the history of record_status lacks versions since the last run"
    for commit in commits:
        appends = commit.operation == "WRITE" and commit.parameters.get("mode") == "Append"
        if not appends and commit.operation not in _OURS and commit.user_metadata != MAINTENANCE_COMMENT:
            return f"rows of record_status were changed from outside (version {commit.version}: {commit.operation})"
    return None
