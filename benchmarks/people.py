"""Provides a table of people that changes, and a sync that sends it: what `make bench-change` and `bench-small` use."""

from __future__ import annotations

import inspect
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F
from sink import API_KEY, Sink

from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult
from cio_spark.pipeline import run_sync
from cio_spark.results import Tables

SYNC = "people"
TRAITS = ("plan", "country", "city", "language", "visits", "spent", "score", "subscribed")
RECORDS_PER_REQUEST = 1000
PARALLEL_WORKERS = 4
RATE_LIMIT_PER_SECOND = 1000
FILES = 8
# A group holds half a percent of the people, scattered over all files of the table
GROUPS = 200
HAS_SCOPES = "full" in inspect.signature(run_sync).parameters
"""Whether runs have scopes; without them, every run compares everything."""


@dataclass
class People:
    """Describes a Delta table of people and the sync that sends them.

    Attributes:
        spark: the session.
        warehouse: folder of local tables.
        sink: the sink that receives the requests.
        rows: rows of the table.
        database: database of the sync's tables.
        sections: sections of the configuration to change.
    """

    spark: SparkSession
    warehouse: Path
    sink: Sink
    rows: int
    database: str
    sections: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """Folder of the Delta table."""
        return self.warehouse / "bench" / self.database

    @property
    def table(self) -> str:
        """Name of the Delta table in SQL."""
        return f"delta.`{self.source}`"

    @property
    def tables(self) -> Tables:
        """Tables of the sync."""
        return Tables(self.spark, self.config.tables, self.warehouse)

    @property
    def config(self) -> SyncConfig:
        """Configuration of the sync."""
        return SyncConfig.model_validate(self.settings())

    def settings(self) -> dict[str, dict[str, object]]:
        """Return the sections of the sync file."""
        said: dict[str, dict[str, object]] = {
            "sync": {"name": SYNC},
            "source": {"path": str(self.source)},
            "payload": {
                "call": "identify",
                "record_id": "id",
                "user_id": "id",
                "email": "email",
                "timestamp": "updated_at",
                "traits": {"include": list(TRAITS)},
            },
            "batch": {
                "max_batch_size": RECORDS_PER_REQUEST,
                "parallel_workers": PARALLEL_WORKERS,
                "rate_limit_rps": RATE_LIMIT_PER_SECOND,
                "enable_compression": False,
            },
            "api": {"base_url": f"{self.sink.root_url}/v1"},
            "tables": {"database": self.database},
        }
        return {name: {**said.get(name, {}), **self.sections.get(name, {})} for name in {**said, **self.sections}}

    def write(self) -> None:
        """Write the table anew, with its change data feed on, and remove the sync's tables."""
        self.forget_runs()
        shutil.rmtree(self.source, ignore_errors=True)
        rows = self.made(self.spark.range(0, self.rows, 1, FILES).toDF("number"))
        rows.write.format("delta").option("delta.enableChangeDataFeed", "true").save(str(self.source))

    def forget_runs(self) -> None:
        """Remove the sync's tables, so that the next run is the first one."""
        shutil.rmtree(self.warehouse / self.database, ignore_errors=True)

    def made(self, numbers: DataFrame) -> DataFrame:
        """Make a row of the table for every number."""
        number = F.col("number")
        return numbers.select(
            F.format_string("person-%010d", number).alias("id"),
            F.concat(F.lit("person."), number, F.lit("@example.com")).alias("email"),
            _one_of(number, "basic", "plus", "premium").alias("plan"),
            _one_of(number, "DE", "FR", "US", "GB").alias("country"),
            F.concat(F.lit("city-"), F.abs(F.xxhash64(number)) % 5000).alias("city"),
            _one_of(number, "de", "fr", "en").alias("language"),
            (number % 97).cast("int").alias("visits"),
            (number % 20_000 / 100).cast("decimal(9,2)").alias("spent"),
            (F.abs(F.xxhash64(number, F.lit(1))) % 1000 / 1000).alias("score"),
            (number % 5 > 0).alias("subscribed"),
            F.timestamp_seconds(F.lit(1_750_000_000) + number).alias("updated_at"),
            F.substring(F.sha2(number.cast("string"), 256), 1, 40).alias("note"),
        )

    def add(self, count: int) -> None:
        """Append so many new people."""
        rows = self.made(self.spark.range(self.rows, self.rows + count, 1, 1).toDF("number"))
        rows.write.format("delta").mode("append").save(str(self.source))
        self.rows += count

    def change(self, condition: str) -> int:
        """Change the people that fulfil a condition, and return their number."""
        changed = self.spark.sql(
            f"UPDATE {self.table} SET visits = visits + 100, updated_at = updated_at + INTERVAL 1 DAY WHERE {condition}"
        )
        return int(changed.collect()[0]["num_affected_rows"])

    def touch(self) -> None:
        """Write a new version of the table without a change of a row that the sync maps."""
        self.spark.sql(f"UPDATE {self.table} SET note = concat(note, '.') WHERE id = 'person-0000000001'").collect()

    def scan_seconds(self) -> float:
        """Measure the seconds of the bare scan: read the columns that the sync maps, hash them, keep one number."""
        clock = SystemClock()
        began = clock.monotonic()
        rows = self.spark.read.format("delta").load(str(self.source))
        rows.select(F.xxhash64("id", "email", "updated_at", *TRAITS).alias("hash")).agg(F.bit_xor("hash")).collect()
        return clock.monotonic() - began

    def sync(self, *, accepted: int, full: bool = False) -> SyncResult:
        """Run the sync, and make sure that its result is right.

        Args:
            accepted: number of records that the run must send.
            full: compare all rows of the table with the ledger; see `touch`.

        Raises:
            SystemExit: the result is wrong, so the figures would be worthless.
        """
        settings = self.settings()
        if full and HAS_SCOPES:
            settings["source"] = {**settings["source"], "changes": "off"}
        config = SyncConfig.model_validate(settings)
        before = self.sink.requests()
        result = run_sync(config, spark=self.spark, api_key=ApiKey(API_KEY), warehouse=self.warehouse)
        books = result.books
        wrong = []
        if result.exit_status is not ExitStatus.SUCCESS:
            wrong.append(f"exit status {int(result.exit_status)}")
        if not books.balanced:
            wrong.append("the books do not balance")
        if books.delivery.accepted != accepted:
            wrong.append(f"{books.delivery.accepted:,} records accepted, not {accepted:,}")
        if self.sink.requests() - before < accepted / RECORDS_PER_REQUEST:
            wrong.append("the sink has answered too few requests")
        looked_at_all = full or not HAS_SCOPES
        if looked_at_all and (books.survey.source_rows, books.survey.unchanged) != (self.rows, self.rows - accepted):
            wrong.append(f"{books.survey.source_rows:,} rows, of which {books.survey.unchanged:,} unchanged")
        if wrong:
            raise SystemExit(f"run {result.run_id} went wrong: {'; '.join(wrong)}: {result.message}")
        return result


def in_group(number: int) -> str:
    """Return the SQL condition that selects half a percent of the people."""
    return f"pmod(xxhash64(id), {GROUPS}) = {number}"


def _one_of(number: Column, *values: str) -> Column:
    """Choose one of the values by a number."""
    return F.element_at(F.array(*map(F.lit, values)), (number % len(values) + 1).cast("int"))
