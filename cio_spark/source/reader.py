"""Opens the configured source so that every later query of the run sees the same rows."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from pyspark.errors import AnalysisException, ParseException
from pyspark.sql import DataFrame, SparkSession

from cio_spark import spark_errors
from cio_spark.config.sections import SourceSection
from cio_spark.errors import ConfigurationError
from cio_spark.source.condition import keep

# Names in SQL: `shop`.`my orders`, shop . orders; words that name nothing are found too, and are no matter
_NAME = re.compile(r"(?:`(?:[^`]|``)+`|\w+)(?:\s*\.\s*(?:`(?:[^`]|``)+`|\w+))*")


@dataclass(frozen=True)
class Snapshot:
    """Rows of the source, fixed for the run.

    Attributes:
        rows: the rows, `where` applied.
        description: what was read, for people and for `sync_runs`.
        version: the Delta version that pins the rows; None where none does: a query, a view, a changing condition.
        repeatable: False while `rows` may differ between two queries, until `stage` made them a table.
    """

    rows: DataFrame
    description: str
    version: int | None
    repeatable: bool

    def staged(self, stage: Callable[[DataFrame], DataFrame], limit: int | None) -> Snapshot:
        """The snapshot with rows that stay the same: written once where they are not pinned already."""
        if self.repeatable and limit is None:
            return self
        rows = self.rows if limit is None else self.rows.limit(limit)
        return replace(self, rows=stage(rows), repeatable=True)


def open_source(
    spark: SparkSession, source: SourceSection, attach: Callable[[str], None], *, version: int | None = None
) -> Snapshot:
    """Opens the source and checks that it exists, is readable, and that `where` makes sense; runs no job on it.

    Args:
        spark: the session.
        source: the source section.
        attach: makes a table of the local warehouse known to the session's catalog, if there is such a table.
        version: the version of a table or path to pin; None: its newest.

    Raises:
        ConfigurationError: no such table, path or view; not Delta; a bad query or condition.
    """
    if source.query is not None:
        _attach_named(source.query, attach)
        snapshot = _open_query(spark, source.query)
    elif source.path is not None:
        snapshot = _open_path(spark, source.path, version)
    else:
        attach(str(source.table))
        snapshot = _open_table(spark, str(source.table), version)
    repeated = {name for name in snapshot.rows.columns if snapshot.rows.columns.count(name) > 1}
    if repeated:
        raise ConfigurationError.of(
            "source", f"has more than one column named {', '.join(sorted(repeated))}: give them different names"
        )
    if source.where is None:
        return snapshot
    return _filtered(snapshot, source.where, attach)


def _filtered(snapshot: Snapshot, where: str, attach: Callable[[str], None]) -> Snapshot:
    columns = snapshot.rows.columns
    pinned = not (spark_errors.is_volatile(where, columns) or spark_errors.has_subquery(where))
    if not pinned:
        _attach_named(where, attach)
    try:
        spark_errors.row_value_type(snapshot.rows, where, columns)
        rows = keep(snapshot.rows, where)
    except spark_errors.UnfitExpressionError as error:
        raise ConfigurationError.of("source.where", str(error)) from None
    except (AnalysisException, ParseException) as error:
        raise spark_errors.of("source.where", error, columns) from None
    if pinned:
        return replace(snapshot, rows=rows)
    return replace(snapshot, rows=rows, version=None, repeatable=False)


def _attach_named(sql: str, attach: Callable[[str], None]) -> None:
    """Makes tables of the local warehouse that a statement names known to the session's catalog."""
    for name in dict.fromkeys(_NAME.findall(sql)):
        attach(name)


def _open_query(spark: SparkSession, query: str) -> Snapshot:
    if not re.match(r"\s*(--[^\n]*\n\s*)*(select|with|from|table|values|\()", query, re.IGNORECASE):
        raise ConfigurationError.of("source.query", "must be a SELECT")
    try:
        return Snapshot(spark.sql(query), "query", None, repeatable=False)
    except (AnalysisException, ParseException) as error:
        raise spark_errors.of("source.query", error, []) from None


def _open_path(spark: SparkSession, path: str, version: int | None) -> Snapshot:
    try:
        version = _version(spark, f"delta.`{path}`") if version is None else version
        rows = spark.read.format("delta").option("versionAsOf", version).load(path)
    except (AnalysisException, ParseException) as error:
        raise ConfigurationError.of(
            "source.path", f"there is no readable Delta table at {path} ({spark_errors.error_class(error)})"
        ) from None
    return Snapshot(rows, f"{path} (version {version})", version, repeatable=True)


def _open_table(spark: SparkSession, name: str, version: int | None) -> Snapshot:
    try:
        rows = spark.table(name)
        kind = _table_kind(spark, name)
        if kind != "delta":
            return Snapshot(rows, f"{name} ({kind})", None, repeatable=False)
        version = _version(spark, name) if version is None else version
        rows = spark.read.option("versionAsOf", version).table(name)
    except (AnalysisException, ParseException) as error:
        kind = spark_errors.error_class(error)
        reason = f"there is no table or view {name}" if "NOT_FOUND" in kind else f"cannot read {name} ({kind})"
        raise ConfigurationError.of("source.table", reason) from None
    return Snapshot(rows, f"{name} (version {version})", version, repeatable=True)


def _table_kind(spark: SparkSession, name: str) -> str:
    """`delta`, another format's name, or `view`."""
    details = {row["col_name"]: row["data_type"] for row in spark.sql(f"DESCRIBE TABLE EXTENDED {name}").collect()}
    # Of a temporary view nothing but its columns is told
    if str(details.get("Type", "VIEW")).upper().endswith("VIEW"):
        return "view"
    return str(details.get("Provider", "table")).lower()


def _version(spark: SparkSession, name: str) -> int:
    return int(spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").select("version").collect()[0][0])
