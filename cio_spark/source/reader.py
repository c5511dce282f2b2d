"""Opens the configured source so that every later query of the run sees the same rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession

from cio_spark.config.sections import SourceSection
from cio_spark.errors import ConfigurationError
from cio_spark.source.where import keep
from cio_spark.spark import failures as spark_errors
from cio_spark.spark import sql as users_sql
from cio_spark.spark.changing_values import changes_by_itself
from cio_spark.spark.delta_table import newest_version
from cio_spark.spark.expression_types import UnfitExpressionError, analysed, row_value_type

Attach = Callable[[str], str]
"""Function that makes a table known to the session if the local warehouse has it, and returns its name for SQL."""


@dataclass(frozen=True)
class Snapshot:
    """Holds the rows of the source, fixed for the run.

    Attributes:
        rows: the rows, after `where`.
        description: what was read, as a text for people and for `sync_runs`.
        version: Delta version that pins the rows; None if no version does: for a query, a view, a table that is not
            Delta, or a condition that changes.
        repeatable: False while `rows` may differ between two queries; `staged` then writes them as a table.
        name: name of the Delta table for SQL if `version` pins the rows; else None.
    """

    rows: DataFrame
    description: str
    version: int | None
    repeatable: bool
    name: str | None = None

    def staged(self, stage: Callable[[DataFrame], DataFrame], limit: int | None) -> Snapshot:
        """Return the snapshot with rows that stay the same; rows that are limited or not pinned are written once."""
        if self.repeatable and limit is None:
            return self
        rows = self.rows if limit is None else self.rows.limit(limit)
        return replace(self, rows=stage(rows), repeatable=True)


def open_source(spark: SparkSession, source: SourceSection, attach: Attach, *, version: int | None = None) -> Snapshot:
    """Open the source and check that it exists, can be read, and has a valid `where`; run no job on its rows.

    Args:
        spark: the session.
        source: the source section.
        attach: function that makes a table of the local warehouse known to the session's catalog, if there is such a
            table.
        version: version of a table or path to pin; None for the newest.

    Raises:
        ConfigurationError: there is no such table or view, there is no Delta table at the path, two columns have one
            name, or the query or condition is wrong.
    """
    if source.query is not None:
        snapshot = _open_query(spark, source.query, attach)
    elif source.path is not None:
        snapshot = _open_path(spark, source.path, version)
    else:
        snapshot = _open_table(spark, str(source.table), attach(str(source.table)), version)
    repeated = {name for name in snapshot.rows.columns if snapshot.rows.columns.count(name) > 1}
    if repeated:
        raise ConfigurationError.of(
            "source", f"has more than one column named {', '.join(sorted(repeated))}: give them different names"
        )
    if source.where is None:
        return snapshot
    return _filtered(snapshot, source.where, attach)


def _filtered(snapshot: Snapshot, where: str, attach: Attach) -> Snapshot:
    columns = snapshot.rows.columns
    has_subquery = users_sql.has_subquery(where)
    attached = _with_attached(where, attach) if has_subquery else where
    try:
        row_value_type(snapshot.rows, attached, columns)
        pinned = not has_subquery and not changes_by_itself(snapshot.rows, attached)
        rows = keep(snapshot.rows, attached)
    except UnfitExpressionError as error:
        raise ConfigurationError.of("source.where", str(error)) from None
    except (AnalysisException, ParseException) as error:
        raise spark_errors.configuration_error("source.where", error, columns) from None
    if pinned:
        return replace(snapshot, rows=rows)
    return replace(snapshot, rows=rows, version=None, name=None, repeatable=False)


def _with_attached(sql: str, attach: Attach) -> str:
    """Make the tables of the local warehouse that a statement names known to the session's catalog.

    Returns:
        The statement. If the catalog cannot have the name of a table, the statement names the table's folder instead,
        with the table's own name as alias.
    """
    for name in reversed(users_sql.table_names(sql)):
        written = users_sql.quoted(*name.parts)
        found = attach(written)
        if found != written and name.follows_from:
            alias = "" if name.has_alias else f" AS {users_sql.quoted(name.parts[-1])}"
            sql = f"{sql[: name.start]}{found}{alias}{sql[name.end :]}"
    return sql


def _open_query(spark: SparkSession, query: str, attach: Attach) -> Snapshot:
    """Open a query that only reads.

    Spark runs a command as soon as it parses one, so the query is put into brackets, where Spark accepts no command.
    """
    if problem := users_sql.query_problem(query):
        raise ConfigurationError.of("source.query", problem)
    attached = _with_attached(users_sql.without_semicolon(query), attach)
    try:
        return Snapshot(analysed(spark.sql(f"SELECT * FROM (\n{attached}\n)")), "query", None, repeatable=False)
    except (AnalysisException, ParseException) as error:
        raise spark_errors.configuration_error("source.query", error, []) from None


def _open_path(spark: SparkSession, path: str, version: int | None) -> Snapshot:
    try:
        name = f"delta.{users_sql.quoted(path)}"
        version = newest_version(spark, name) if version is None else version
        rows = spark.read.format("delta").option("versionAsOf", version).load(path)
    except (AnalysisException, ParseException) as error:
        raise ConfigurationError.of(
            "source.path", f"there is no readable Delta table at {path} ({spark_errors.error_class(error)})"
        ) from None
    return Snapshot(rows, f"{path} (version {version})", version, repeatable=True, name=name)


def _open_table(spark: SparkSession, name: str, found: str, version: int | None) -> Snapshot:
    """Open a table or view.

    Args:
        spark: the session.
        name: name of the table, for people.
        found: name by which SQL finds the table.
        version: version to pin; None for the newest.
    """
    try:
        rows = analysed(spark.table(found))
        if _is_view(spark, found):
            return Snapshot(rows, f"{name} (view)", None, repeatable=False)
        version = _version_of_delta(spark, found, rows) if version is None else version
        if version is None:
            return Snapshot(rows, f"{name} (not Delta)", None, repeatable=False)
        rows = analysed(spark.read.option("versionAsOf", version).table(found))
    except (AnalysisException, ParseException) as error:
        kind = spark_errors.error_class(error)
        reason = f"there is no table or view {name}" if "NOT_FOUND" in kind else f"cannot read {name} ({kind})"
        raise ConfigurationError.of("source.table", reason) from None
    return Snapshot(rows, f"{name} (version {version})", version, repeatable=True, name=found)


def _is_view(spark: SparkSession, name: str) -> bool:
    """Tell from the catalog whether a name is a view's; DESCRIBE would mix this answer with the columns."""
    try:
        entry = spark.catalog.getTable(name)
    except AnalysisException:  # a table that is named by its folder is in no catalog
        return False
    return entry.isTemporary or entry.tableType.upper().endswith("VIEW")


def _version_of_delta(spark: SparkSession, name: str, rows: DataFrame) -> int | None:
    """Return the newest version of a table; None for a table without versions, which is not a Delta table."""
    try:
        return newest_version(spark, name, rows)
    except AnalysisException as error:
        kind = spark_errors.error_class(error)
        if "NOT_FOUND" in kind or "PERMISSION" in kind:
            raise
        return None
