"""Finds, reads and appends to tables, in a catalog or, on a laptop, in Delta folders under a warehouse folder.

The local session's catalog exists only in memory, so every command attaches again the folders that it finds.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession

from cio_spark.config.sections import TablesSection
from cio_spark.errors import TableError
from cio_spark.results.catalog_entry import find_entry
from cio_spark.schemas import TABLES, struct_of
from cio_spark.spark.conf import keep_setting, read_setting
from cio_spark.spark.delta_table import never_had_rows, newest_version
from cio_spark.spark.sql import identifier_parts, quoted
from cio_spark.spark.versions import from_arrow

_ARROW = {
    "string": pa.string(),
    "boolean": pa.bool_(),
    "int": pa.int32(),
    "bigint": pa.int64(),
    "double": pa.float64(),
    "timestamp": pa.timestamp("us", tz="UTC"),
}
_PLAIN_NAME = re.compile(r"[A-Za-z0-9_]+")
"""Pattern of names: Spark's own catalog accepts no others."""


class Tables:
    """Knows the names, places and versions of this product's tables, and the places of local source tables.

    Args:
        spark: the session.
        section: catalog and database.
        warehouse: folder of local tables; None if the catalog knows where the tables are.
    """

    def __init__(self, spark: SparkSession, section: TablesSection, warehouse: Path | None) -> None:
        self.spark = spark
        self.warehouse = warehouse
        self._catalog = section.catalog if warehouse is None else None
        self._database = section.database

    @property
    def database(self) -> str:
        """Return the database's name for SQL."""
        return quoted(*[part for part in (self._catalog, self._database) if part])

    def name(self, table: str) -> str:
        """Return a table's name for SQL."""
        return f"{self.database}.{quoted(table)}"

    def folder(self, table: str) -> Path | None:
        """Return the folder of a local table; None if the tables are in a catalog."""
        return None if self.warehouse is None else self.warehouse / self._database / table

    def names(self) -> list[str]:
        """Return the names of all tables of the database."""
        if self.warehouse is not None:
            folder = self.warehouse / self._database
            return sorted(item.name for item in folder.iterdir()) if folder.is_dir() else []
        return [row["tableName"] for row in self.spark.sql(f"SHOW TABLES IN {self.database}").collect()]

    def drop(self, table: str) -> None:
        """Delete a table; do nothing if there is none."""
        folder = self.folder(table)
        if folder is None:
            self.spark.sql(f"DROP TABLE IF EXISTS {self.name(table)}")
            return
        # First the log: a process that is killed here must not leave a log without its files
        shutil.rmtree(folder / "_delta_log", ignore_errors=True)
        shutil.rmtree(folder, ignore_errors=True)

    def location_clause(self, table: str) -> str:
        """Return ` LOCATION '…'` for the CREATE TABLE of a local table, else an empty text."""
        folder = self.folder(table)
        return "" if folder is None else f" LOCATION {sql_text(str(folder.resolve()))}"

    def create_database(self) -> None:
        """Create the database if it is missing."""
        folder = None if self.warehouse is None else self.warehouse / self._database
        place = "" if folder is None else f" LOCATION {sql_text(str(folder.resolve()))}"
        # A job may have the right to use a database, but not the right to create one
        if not self.spark.catalog.databaseExists(self.database):
            self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {self.database}{place}")

    def exists(self, table: str) -> bool:
        """Tell whether a table exists; a local table is also attached to the session's catalog."""
        folder = self.folder(table)
        if folder is None:
            return self.spark.catalog.tableExists(self.name(table))
        if holds_delta(folder):
            self.create_database()
        return self._attach(self._database, table, folder)

    def attach_source(self, name: str) -> str:
        """Make `database.table` of the warehouse known to the session, if there is such a folder.

        If the session knows the name from another warehouse, and this warehouse has no such table, the session forgets
        the name.

        Args:
            name: name of the table, as it is written in SQL.

        Returns:
            The name by which SQL finds the table; it names the folder if the session's catalog cannot have such a name.

        Raises:
            TableError: the session's catalog has another table of that name.
        """
        parts = identifier_parts(name)
        if parts is not None and len(parts) == 3 and parts[0] == "spark_catalog":
            parts = parts[1:]
        if self.warehouse is None or parts is None or len(parts) > 2 or not all(map(_can_be_a_folder, parts)):
            return name
        database, table = parts if len(parts) == 2 else ("default", parts[0])
        # The folders in which we look for a table: ours, and that of Spark, whose default database is the warehouse
        # itself
        spark_folder = self.warehouse if database == "default" else self.warehouse / f"{database}.db"
        folders = (self.warehouse / database / table, spark_folder / table)
        found = next((folder for folder in folders if holds_delta(folder)), None)
        if not all(map(_PLAIN_NAME.fullmatch, (database, table))):
            return name if found is None else f"delta.{quoted(str(found.resolve()))}"
        attached = f"cio_spark.attached.{database}.{table}".lower()
        if found is not None:
            self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {quoted(database)}")
            self._attach(database, table, found)
            keep_setting(self.spark, attached, str(found.resolve()))
        elif read_setting(self.spark, attached):
            self._attach(database, table, folders[0])
            keep_setting(self.spark, attached, None)
        return name

    def _attach(self, database: str, table: str, folder: Path) -> bool:
        """Make the session's catalog know the table in this folder, and in no other; return False if there is none."""
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
        """Return the newest version of a table."""
        return newest_version(self.spark, self.name(table))

    def is_untouched(self, table: str) -> bool:
        """Tell whether a table certainly never had a row: its only commit created it empty. This runs no Spark job."""
        return never_had_rows(self.spark, self.name(table))

    def read(self, table: str, version: int | None = None) -> DataFrame:
        """Read a table, at a version or at its newest version."""
        reader = self.spark.read if version is None else self.spark.read.option("versionAsOf", version)
        return reader.table(self.name(table))

    def select_all_columns(self, table: str) -> str:
        """Return SQL for a table with all its columns; columns that set-up has not added yet are null.

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
        """Append a few events in one commit.

        Args:
            table: one of `schemas.TABLES`.
            events: rows; columns that an event does not name are null.
            app_id, app_version: see `append`.
        """
        fields = struct_of(TABLES[table].columns).fields
        schema = pa.schema([(field.name, _ARROW[field.dataType.simpleString()]) for field in fields])
        rows = from_arrow(self.spark, pa.Table.from_pylist([dict(event) for event in events], schema))
        self.append(table, rows.coalesce(1), app_id=app_id, app_version=app_version)

    def append(self, table: str, rows: DataFrame, *, app_id: str | None = None, app_version: int | None = None) -> None:
        """Append rows in one commit.

        Args:
            table: name of the table.
            rows: rows with the table's columns.
            app_id, app_version: Delta's `txnAppId` and `txnVersion`: Delta silently skips an equal or lower version.
        """
        writer = rows.write.format("delta").mode("append").option("optimizeWrite", "false")
        if app_id is not None and app_version is not None:
            writer = writer.option("txnAppId", app_id).option("txnVersion", str(app_version))
        writer.saveAsTable(self.name(table))


def lost_the_race(error: Exception) -> bool:
    """Tell whether an append failed because another append with the same transaction name was faster."""
    return "Concurrent" in type(error).__name__ or "CONCURRENT" in str(error).upper()


def holds_delta(folder: Path) -> bool:
    """Tell whether a folder is a Delta table: a folder with a log is no table before its first commit."""
    return next((folder / "_delta_log").glob("[0-9]*"), None) is not None


def sql_text(text: str) -> str:
    """Write a text as a literal of SQL."""
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"


def _can_be_a_folder(name: str) -> bool:
    return name not in ("", ".", "..") and "/" not in name and "\0" not in name
