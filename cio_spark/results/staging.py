"""Rows kept for one run because their source cannot be read twice alike; the only copy of payloads but dead letters."""

from __future__ import annotations

import shutil

from pyspark.sql import DataFrame

from cio_spark.results.tables import Tables


class Staging:
    """A run's staged rows; a context manager that drops them at the end.

    Args:
        tables: where the tables are.
        run_id: the run.
    """

    def __init__(self, tables: Tables, run_id: str) -> None:
        self._tables = tables
        self._table = f"staging_{run_id.lower()}"
        self._written = False

    def stage(self, rows: DataFrame) -> DataFrame:
        """Writes rows once and gives them back as a table that stays the same."""
        self._written = True
        writer = rows.write.format("delta").option("optimizeWrite", "false")
        folder = self._tables.folder(self._table)
        if folder is not None:
            writer.save(str(folder))
            return self._tables.spark.read.format("delta").load(str(folder))
        writer.saveAsTable(self._tables.name(self._table))
        return self._tables.read(self._table)

    def __enter__(self) -> Staging:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._written:
            return
        folder = self._tables.folder(self._table)
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)
        else:
            self._tables.spark.sql(f"DROP TABLE IF EXISTS {self._tables.name(self._table)}")
