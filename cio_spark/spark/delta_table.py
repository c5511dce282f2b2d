"""Reads the version, the id and the history of Delta tables; on a classic session the version costs no Spark job."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from pyspark.sql import DataFrame, SparkSession

_MARGIN = 20
"""Commits that may be added to a table while its history is read."""


class DeltaFacts(NamedTuple):
    """Identifies the state of a Delta table.

    Attributes:
        version: number of its newest commit.
        table_id: id of the table; another table in the same place has another id.
    """

    version: int
    table_id: str


@dataclass(frozen=True)
class Commit:
    """Describes one commit of a Delta table.

    Attributes:
        version: its number.
        operation: name of the operation, such as `WRITE` or `MERGE`.
        metrics: numbers of rows and files, as texts.
        parameters: parameters of the operation, as texts.
        user_metadata: text that the writer has added; None if there is none.
    """

    version: int
    operation: str
    metrics: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    user_metadata: str | None = None

    def metric(self, name: str) -> int | None:
        """Return one of the metrics as a number; None if the operation did not report it."""
        text = self.metrics.get(name)
        return int(text) if text is not None and text.isdecimal() else None


def newest_version(spark: SparkSession, name: str, rows: DataFrame | None = None) -> int:
    """Return the number of the newest commit of a table.

    Args:
        spark: the session.
        name: name of the table for SQL.
        rows: the table as it was just read; None to read it.

    Raises:
        AnalysisException: there is no such table, or it is not Delta.
    """
    found = _facts_of_log(rows if rows is not None else spark.table(name))
    if found is not None:
        return found.version
    return int(spark.sql(f"DESCRIBE HISTORY {name} LIMIT 1").select("version").collect()[0][0])


def known_version(spark: SparkSession, name: str) -> int | None:
    """Return the number of a table's newest commit if it is known without a Spark job; else None."""
    found = _facts_of_log(spark.table(name))
    return None if found is None else found.version


def never_had_rows(spark: SparkSession, name: str) -> bool:
    """Tell whether a table certainly never had a row, without a Spark job; a clone has its rows from its first commit.

    Args:
        spark: the session.
        name: name of the table for SQL.
    """
    with contextlib.suppress(Exception):
        snapshot = _snapshot(spark.table(name))
        if snapshot is not None and int(snapshot.version()) == 0:
            files = snapshot.numOfFilesIfKnown()  # from the checksum file of the commit
            return bool(files.isDefined()) and int(files.get()) == 0
    return False


def table_id(spark: SparkSession, name: str) -> str:
    """Return the id of a Delta table; see `newest_version` for the arguments and errors."""
    found = _facts_of_log(spark.table(name))
    if found is not None:
        return found.table_id
    return str(spark.sql(f"DESCRIBE DETAIL {name}").select("id").collect()[0][0])


def _facts_of_log(rows: DataFrame) -> DeltaFacts | None:
    """Ask the log that Delta keeps in the driver's memory; return None where this is impossible.

    Delta's classes are no public interface, and Spark Connect gives no access to them. DESCRIBE HISTORY is, but starts
    a Spark job each time.
    """
    with contextlib.suppress(Exception):
        snapshot = _snapshot(rows)
        if snapshot is not None:
            return DeltaFacts(int(snapshot.version()), str(snapshot.metadata().id()))
    return None


def _snapshot(rows: DataFrame) -> Any:
    """Return Delta's snapshot of the only table that rows come from; None if they come from several."""
    inside: Any = rows
    leaves = inside._jdf.queryExecution().analyzed().collectLeaves()
    return leaves.head().relation().location().getSnapshot() if leaves.size() == 1 else None


def read_commits(spark: SparkSession, name: str, after: int, until: int) -> list[Commit]:
    """Read the commits of a Delta table between two versions, oldest first; commits that are gone are missing.

    Args:
        spark: the session.
        name: name of the table for SQL.
        after: the version after which the first commit comes.
        until: the version of the last commit.
    """
    # The limit counts from the newest commit, which others may have written meanwhile
    newest = max(until, newest_version(spark, name))
    history = spark.sql(f"DESCRIBE HISTORY {name} LIMIT {newest - after + _MARGIN}")
    columns = ("version", "operation", "operationMetrics", "operationParameters", "userMetadata")
    commits = [
        Commit(
            int(row["version"]),
            str(row["operation"] or ""),
            dict(row["operationMetrics"] or {}),
            dict(row["operationParameters"] or {}),
            row["userMetadata"],
        )
        for row in history.select(*columns).collect()
    ]
    return sorted((commit for commit in commits if after < commit.version <= until), key=lambda one: one.version)
