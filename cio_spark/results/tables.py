"""Where tables are: in a catalog, or, on a laptop, as Delta folders under a warehouse folder.

The local session's catalog lives in memory only, so every command attaches the folders it finds again.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from cio_spark.config.sections import TablesSection
from cio_spark.errors import TableError
from cio_spark.results.catalog_entry import find_entry
from cio_spark.schemas import TABLES, struct_of
from cio_spark.spark.sql import identifier_parts, quoted
from cio_spark.spark.versions import from_arrow

_ARROW = {
    "string": pa.string(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")
"""Spark's own catalog takes no other names."""


class Tables:
    """Names, places and versions of this product's tables, and of local source tables.

    Args:
        spark: the session.
        section: catalog and database.
        warehouse: folder of local tables; None: the catalog knows where they are.
    """

    def __init__(self, spark: SparkSession, section: TablesSection, warehouse: Path | None) -> None:
        self.spark = spark
        self.warehouse = warehouse
        self._catalog = section.catalog if warehouse is None else None
        self._database = section.database

    @property
    def database(self) -> str:
        """The database's name for SQL."""
        return quoted(*[part for part in (self._catalog, self._database) if part])

    def name(self, table: str) -> str:
        """A table's name for SQL."""
        return f"{self.database}.{quoted(table)}"

    def folder(self, table: str) -> Path | None:
        """Where a local table is."""
        return None if self.warehouse is None else self.warehouse / self._database / table

    def names(self) -> list[str]:
        """Every table of the database."""
        if self.warehouse is not None:
            folder = self.warehouse / self._database
            return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
        return [row["tableName"] for row in self.spark.sql(f"SHOW TABLES IN {self.database}").collect()]

    def location_clause(self, table: str) -> str:
        """` LOCATION '…'` for a CREATE TABLE of a local table, else nothing."""
        folder = self.folder(table)
        return "" if folder is None else f" LOCATION {sql_text(str(folder.resolve()))}"

    def create_database(self) -> None:
        """Creates the database if it is missing."""
        folder = None if self.warehouse is None else self.warehouse / self._database
        place = "" if folder is None else f" LOCATION {sql_text(str(folder.resolve()))}"
        # A job may have the right to use a database, but none to create one
        if not self.spark.catalog.databaseExists(self.database):
            self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {self.database}{place}")

    def exists(self, table: str) -> bool:
        """Whether the table is there; a local one is attached on the way."""
        folder = self.folder(table)
        if folder is None:
            return self.spark.catalog.tableExists(self.name(table))
        if holds_delta(folder):
            self.create_database()
        return self._point(self._database, table, folder)

    def attach_source(self, name: str) -> str:
        """Makes `database.table` of the warehouse known to the session, if there is such a folder.

        A name that this session knows of another warehouse, and this one lacks, is forgotten.

        Args:
            name: as it is written in SQL.

        Returns:
            the name by which SQL finds the table: its folder, where the session's catalog cannot have such a name.

        Raises:
            TableError: the session's catalog has another table of that name.
        """
        parts = identifier_parts(name)
        if parts is not None and len(parts) == 3 and parts[0] == "spark_catalog":
            parts = parts[1:]
        if self.warehouse is None or parts is None or len(parts) > 2 or not all(map(_can_be_a_folder, parts)):
            return name
        database, table = parts if len(parts) == 2 else ("default", parts[0])
        # Where we look for a table, and where Spark puts one: the default database is the warehouse itself
        spark_folder = self.warehouse if database == "default" else self.warehouse / f"{database}.db"
        folders = (self.warehouse / database / table, spark_folder / table)
        found = next((folder for folder in folders if holds_delta(folder)), None)
        if not all(map(_PLAIN_NAME.fullmatch, (database, table))):
            return name if found is None else f"delta.{quoted(str(found.resolve()))}"
        attached = f"cio_spark.attached.{database}.{table}".lower()
        if found is not None:
            self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}")
            self._point(database, table, found)
            self.spark.conf.set(attached, str(found.resolve()))
        elif self.spark.conf.get(attached, None):
            self._point(database, table, folders[0])
            self.spark.conf.unset(attached)
        return name

    def _point(self, database: str, table: str, folder: Path) -> bool:
        """Makes the session's catalog know the table in the folder, and in no other; False if there is none."""
        name, place, there = quoted(database, table), str(folder.resolve()), holds_delta(folder)
        known = find_entry(self.spark, database, table)
        if known is not None and (known.location != place or not there):
            if not known.can_be_dropped:
                instead = f"not at {place}" if known.location != place else "which is gone"
                raise TableError(
                    f"the session's catalog knows {database}.{table} as a table at {known.location}, {instead}: "
                    "drop it there, or use another name"
                )
            self.spark.sql(f"DROP TABLE IF EXISTS {name}")
            known = None
        if there and known is None:
            self.spark.sql(f"CREATE TABLE IF NOT EXISTS {name} USING delta LOCATION {sql_text(place)}")
        return there

    def version(self, table: str) -> int:
        """The newest version of a table."""
        history = self.spark.sql(f"DESCRIBE HISTORY {self.name(table)} LIMIT 1")
        return int(history.select("version").collect()[0][0])

    def read(self, table: str, version: int | None = None) -> DataFrame:
        """A table, at a version or at its newest one."""
        reader = self.spark.read if version is None else self.spark.read.option("versionAsOf", version)
        return reader.table(self.name(table))

    def complete(self, table: str) -> str:
        """Give SQL for a table with all its columns: those that set-up has not added yet are null.

        Args:
            table: one of `schemas.TABLES`; it must exist.
        """
        there = {name.lower() for name in self.read(table).columns}
        missing = [field for field in struct_of(TABLES[table].columns).fields if field.name.lower() not in there]
        if not missing:
            return self.name(table)
        nulls = ", ".join(f"CAST(NULL AS {field.dataType.simpleString()}) AS {field.name}" for field in missing)
        return f"(SELECT *, {nulls} FROM {self.name(table)})"

    def append_events(
        self,
        table: str,
        events: Sequence[Mapping[str, Any]],
        *,
        app_id: str | None = None,
        app_version: int | None = None,
    ) -> None:
        """Appends a few events in one commit.

        Args:
            table: one of `schemas.TABLES`.
            events: rows; columns an event does not name are null.
            app_id, app_version: see `append`.
        """
        fields = struct_of(TABLES[table].columns).fields
        schema = pa.schema([(field.name, _ARROW[field.dataType.simpleString()]) for field in fields])
        rows = from_arrow(self.spark, pa.Table.from_pylist([dict(event) for event in events], schema))
        self.append(table, rows.coalesce(1), app_id=app_id, app_version=app_version)

    def append(self, table: str, rows: DataFrame, *, app_id: str | None = None, app_version: int | None = None) -> None:
        """Appends rows in one commit.

        Args:
            table: which table.
            rows: rows with the table's columns.
            app_id, app_version: Delta's `txnAppId` and `txnVersion`: an equal or lower version is a silent no-op.
        """
        writer = rows.write.format("delta").mode("append").option("optimizeWrite", "false")
        if app_id is not None and app_version is not None:
            writer = writer.option("txnAppId", app_id).option("txnVersion", str(app_version))
        writer.saveAsTable(self.name(table))


def lost_the_race(error: Exception) -> bool:
    """Whether an append failed because another one of the same transaction name was quicker."""
    return "Concurrent" in type(error).__name__ or "CONCURRENT" in str(error).upper()


def holds_delta(folder: Path) -> bool:
    """Whether a folder is a Delta table: its log alone is none before the first commit."""
    return next((folder / "_delta_log").glob("[0-9]*"), None) is not None


def sql_text(text: str) -> str:
    """Write a text as a literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _can_be_a_folder(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
