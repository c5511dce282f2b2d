"""Where tables are: in a catalog, or, on a laptop, as Delta folders under a warehouse folder.

The local session's catalog lives in memory only, so every command attaches the folders it finds again.
"""

from __future__ import annotations

from pathlib import Path

from pyspark.sql import DataFrame, SparkSession

from cio_spark.config.sections import TablesSection


def quoted(*parts: str) -> str:
    """A name for SQL, each part in backticks."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


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

    def location_clause(self, table: str) -> str:
        """` LOCATION '…'` for a CREATE TABLE of a local table, else nothing."""
        folder = self.folder(table)
        return "" if folder is None else f" LOCATION {_sql_text(str(folder.resolve()))}"

    def create_database(self) -> None:
        """Creates the database if it is missing."""
        folder = None if self.warehouse is None else self.warehouse / self._database
        place = "" if folder is None else f" LOCATION {_sql_text(str(folder.resolve()))}"
        self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {self.database}{place}")

    def exists(self, table: str) -> bool:
        """Whether the table is there; a local one is attached on the way."""
        folder = self.folder(table)
        if folder is None:
            return self.spark.catalog.tableExists(self.name(table))
        if not (folder / "_delta_log").is_dir():
            return False
        self.create_database()
        self.spark.sql(f"CREATE TABLE IF NOT EXISTS {self.name(table)} USING delta{self.location_clause(table)}")
        return True

    def attach_source(self, name: str) -> None:
        """Makes `database.table` of the warehouse known to the session, if there is such a folder."""
        if self.warehouse is None:
            return
        parts = [part.strip("`") for part in name.split(".")]
        for folder, names in (
            (self.warehouse.joinpath(*parts[-2:]), parts[-2:]),
            (self.warehouse / "default" / parts[-1], ["default", parts[-1]]),
        ):
            if len(parts) <= 2 and len(names) == 2 and (folder / "_delta_log").is_dir():
                self.spark.sql(f"CREATE DATABASE IF NOT EXISTS {quoted(names[0])}")
                place = _sql_text(str(folder.resolve()))
                self.spark.sql(f"CREATE TABLE IF NOT EXISTS {quoted(*names)} USING delta LOCATION {place}")
                return

    def version(self, table: str) -> int:
        """The newest version of a table."""
        history = self.spark.sql(f"DESCRIBE HISTORY {self.name(table)} LIMIT 1")
        return int(history.select("version").collect()[0][0])

    def read(self, table: str, version: int | None = None) -> DataFrame:
        """A table, at a version or at its newest one."""
        reader = self.spark.read if version is None else self.spark.read.option("versionAsOf", version)
        return reader.table(self.name(table))

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


def _sql_text(text: str) -> str:
    return "'" + text.replace("\\", "\\\\").replace("'", "\\'") + "'"
