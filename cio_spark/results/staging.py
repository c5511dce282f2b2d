"""Keeps rows for one run, because their source may give other rows when it is read again.

Besides the dead letters, these rows are the only copy of payloads.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from pyspark.sql import DataFrame, Window
from pyspark.sql import functions as F

from cio_spark.results.rows_in_memory import rows_in_memory
from cio_spark.results.staged_columns import columns_as_they_were, columns_to_stage
from cio_spark.results.tables import Tables, holds_delta
from cio_spark.spark.helper_thread import HelperThread

STAGED = ("rows", "keys", "hashes", "records", "waves")
"""Lists what a run may stage; the name of each table ends with it."""
# Every task writes a file of each wave, so there are at most this many tasks for each slot
_TASKS_PER_SLOT = 8
# The hash must differ from those of partitions and lanes, or the persons of a wave would share partitions and lanes
_WAVE_SEED = 23


class Staging:
    """Writes, reads and drops the staged rows of a run, which may have died; the run that recovers it drops them.

    Args:
        tables: where the tables are.
        run_id: id of the run.

    Attributes:
        has_rows: whether this object has staged source rows.
    """

    def __init__(self, tables: Tables, run_id: str) -> None:
        self._tables = tables
        self._table = f"staging_{run_id.lower()}"
        self._writing: HelperThread | None = None
        self.has_rows = False

    def stage(self, rows: DataFrame, used: Collection[str], *, expected: int | None = None) -> DataFrame:
        """Write source rows once, and return them as rows that stay the same.

        A few rows are returned from memory, and written beside what the run does with them: see `finish`.

        Args:
            rows: the source's rows.
            used: names of the columns that the sync uses; for the others see `columns_as_they_were`.
            expected: about how many rows there are; None if nobody knows.
        """
        self.has_rows = True
        placed = columns_to_stage(rows, used)
        kept = None if expected is None else rows_in_memory(placed, expected)
        if kept is None:
            return columns_as_they_were(self._write(placed, "rows"))
        self._writing = HelperThread(kept.sparkSession, lambda: self._save(kept, "rows"), "staging")
        self._writing.start()
        return columns_as_they_were(kept)

    def finish(self) -> None:
        """Wait until the rows are written: a run that recovers this one needs them if this one has sent something.

        Raises:
            Exception: they could not be written.
        """
        if self._writing is not None:
            self._writing.wait()
            self._writing.raise_error()

    def stage_keys(self, keys: DataFrame) -> DataFrame:
        """Write the keys that a run looks at once, and return them as a table."""
        return self._write(keys, "keys")

    def stage_hashes(self, keys: DataFrame) -> DataFrame:
        """Write the hashes of the record ids that a full comparison looks at once, and return them as a table."""
        return self._write(keys, "hashes")

    def stage_records(self, records: DataFrame) -> DataFrame:
        """Write the classified records that go through the delivery once, and return them as a table."""
        return self._write(records, "records")

    def stage_waves(self, records: DataFrame, waves: int, *, slots: int, retries_apart: bool) -> DataFrame:
        """Write classified records once, cut into waves by a hash of the person, so that no person is split.

        Every task writes a file of each wave: to bring a wave's records together first took a third of the staging.

        Args:
            records: records that go through the delivery.
            waves: number of waves.
            slots: number of task slots.
            retries_apart: whether persons with a `retried` record go into one more wave, the last: a record that was
                refused before must not make the batches of other persons fail.

        Returns:
            The records with `wave`, 0 to `waves` - 1, or `waves` for the additional wave. To read one wave reads only
            the files of that wave.
        """
        person = F.coalesce("person_key", "record_id")
        wave = F.pmod(F.xxhash64(F.lit(_WAVE_SEED), person), F.lit(waves))
        if retries_apart:
            wave = F.when(F.max("retried").over(Window.partitionBy(person)), waves).otherwise(wave)
        cut = records.withColumn("wave", wave.cast("int"))
        return self._write(cut.coalesce(max(1, slots) * _TASKS_PER_SLOT), "waves", "wave")

    def _write(self, rows: DataFrame, what: str, *partitions: str) -> DataFrame:
        self._save(rows, what, *partitions)
        return self._read(what)

    def _save(self, rows: DataFrame, what: str, *partitions: str) -> None:
        writer = (
            rows.write.format("delta")
            .option("optimizeWrite", "false")
            # Statistics contain values, and Delta logs them
            .option("delta.dataSkippingNumIndexedCols", "0")
            .partitionBy(*partitions)
        )
        folder = self._folder(what)
        if folder is not None:
            writer.save(str(folder))
        else:
            writer.saveAsTable(self._tables.name(self._name(what)))

    def _read(self, what: str) -> DataFrame:
        folder = self._folder(what)
        if folder is not None:
            return self._tables.spark.read.format("delta").load(str(folder))
        return self._tables.read(self._name(what))

    def _name(self, what: str) -> str:
        return f"{self._table}_{what}"

    def _folder(self, what: str) -> Path | None:
        return self._tables.folder(self._name(what))

    def records(self) -> DataFrame | None:
        """Return the classified records that the run has staged; None if there are none."""
        return self._found("records")

    def waves(self) -> DataFrame | None:
        """Return the records that the run has staged in waves; None if the run ended before it staged any."""
        return self._found("waves")

    def rows(self) -> DataFrame | None:
        """Return the source rows that the run has staged; None if there are none."""
        found = self._found("rows")
        return None if found is None else columns_as_they_were(found)

    def _found(self, what: str) -> DataFrame | None:
        folder = self._folder(what)
        is_there = self._tables.exists(self._name(what)) if folder is None else holds_delta(folder)
        return self._read(what) if is_there else None

    def drop(self) -> None:
        """Drop everything that was staged."""
        if self._writing is not None:
            self._writing.wait()
        for what in STAGED:
            self._tables.drop(self._name(what))
