"""Provides a whole sync for a test: a source to write, a run, and the tables to look into."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import DataFrame, Row, SparkSession
from pyspark.sql import functions as F

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.model import SyncResult
from cio_spark.pipeline import run_sync, waves
from cio_spark.results import Claim, Claimant, Tables, claim_sync, read_claims
from cio_spark.runtime.cancellation import Cancellation
from cio_spark.standin import StandIn

KEY = "standin-key"
# The tests run many small Spark jobs in sessions that live for minutes: the optimising compiler, and the settings that
# make large jobs fast, cost more than they gain
QUICK_JAVA = "-XX:ReservedCodeCacheSize=512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1"
QUICK_SPARK = """
spark.sql.codegen.wholeStage false
spark.sql.codegen.factoryMode NO_CODEGEN
spark.sql.adaptive.enabled false
"""
# The payload of a track sync whose source has `id`, `customer`, `amount` and `at`, as `order_rows` makes them
ORDERS: dict[str, Any] = {
    "call": "track",
    "record_id": "id",
    "user_id": "customer",
    "event": {"value": "Order Placed"},
    "timestamp": "at",
    "properties": {"include": ["amount"]},
}
# 600 rows in batches of 10 are expected to take 3.75 s of sending, so they make about three waves
ROWS_OF_WAVES = 600
SMALL_WAVES: dict[str, Any] = {
    "batch": {"max_batch_size": 10, "parallel_workers": 4},
    "delivery": {"wave_minutes": 0.022},
}


def small_waves(grace_seconds: int) -> dict[str, Any]:
    """Return `SMALL_WAVES` with this grace time, in seconds, for the wave under way when the run is to stop."""
    return {**SMALL_WAVES, "delivery": {**SMALL_WAVES["delivery"], "grace_seconds": grace_seconds}}


@dataclass
class Bench:
    """Provides what a test of a whole sync needs: a source to write, a sync to run, tables to look into."""

    spark: SparkSession
    warehouse: Path
    api: StandIn
    name: str
    payload: dict[str, Any]
    sections: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        return self.warehouse / "sources" / self.name

    def write(self, rows: DataFrame) -> None:
        rows.write.format("delta").mode("overwrite").option("overwriteSchema", "true").save(str(self.source))

    def write_sql(self, query: str) -> None:
        self.write(self.spark.sql(query))

    def config(self, **sections: dict[str, Any]) -> SyncConfig:
        said: dict[str, dict[str, Any]] = {
            "sync": {"name": self.name},
            "source": {"path": str(self.source)},
            "payload": self.payload,
            # Alerts have tests of their own
            "batch": {
                "retry_backoff_seconds": 0.1,
                "timeout_seconds": 5,
                "rate_limit_rps": 1000,
                "enable_monitoring": False,
            },
            "api": {"base_url": self.api.url},
            "tables": {"database": "tests"},
        }
        for extra in (self.sections, sections):
            for section, values in extra.items():
                replaces = section == "source" and {"table", "query", "path"} & set(values)
                said[section] = dict(values) if replaces else {**said.get(section, {}), **values}
        return SyncConfig.model_validate(said)

    def write_config(self, file: Path, **sections: dict[str, Any]) -> Path:
        """Write the sync as a file for the command line, and return the file."""
        said = self.config(**sections).model_dump(mode="json", by_alias=True, exclude_none=True)
        file.write_text(yaml.safe_dump(said))
        return file

    def run(
        self,
        *,
        key: str = KEY,
        limit: int | None = None,
        retry_held: bool = False,
        cancellation: Cancellation | None = None,
        same_workspace: bool = False,
        full: bool = True,
        **sections: Any,
    ) -> SyncResult:
        """Run the sync; it compares all rows unless a test says otherwise, so that every row is in the books."""
        return run_sync(
            self.config(**sections),
            spark=self.spark,
            api_key=ApiKey(key),
            warehouse=self.warehouse,
            limit=limit,
            retry_held=retry_held,
            cancellation=cancellation,
            same_workspace=same_workspace,
            full=full,
        )

    @property
    def tables(self) -> Tables:
        return Tables(self.spark, self.config().tables, self.warehouse)

    def statuses(self, run_id: str | None = None) -> list[Row]:
        rows = self.tables.read("record_status").where(F.col("sync") == self.name)
        if run_id is not None:
            rows = rows.where(F.col("run_id") == run_id)
        return rows.orderBy("run_id", "record_id").collect()

    def status_of(self, result: SyncResult) -> dict[str | None, str]:
        return {row["record_id"]: row["error_code"] or row["status"] for row in self.statuses(result.run_id)}


def claim_by_hand(tables: Tables, sync: str, owner: str = "elsewhere:1", clock: Clock | None = None) -> Claim:
    """Claim a sync as a run of another process does."""
    clock, claimant = clock or SystemClock(), Claimant(owner)
    return claim_sync(tables, read_claims(tables, sync, claimant, clock=clock), claimant, {}, clock=clock)


def order_rows(count: int, customers: int = 7) -> str:
    """Return the SQL of so many orders."""
    return (
        f"SELECT concat('o', id) AS id, concat('c', id % {customers}) AS customer, double(id) AS amount, "
        f"timestamp_seconds(1700000000 + id) AS at FROM range({count})"
    )


def wave_of(batch_id: str) -> int:
    """Return the number of the wave that a batch id names."""
    found = re.search(r"-w(\d+)-", batch_id)
    assert found is not None, batch_id
    return int(found[1])


def staged(bench: Bench) -> list[str]:
    """Return the names of the staging tables that runs have left."""
    return [name for name in bench.tables.names() if name.startswith("staging")]


def fail_in_the_second_wave(monkeypatch: pytest.MonkeyPatch, error: Exception | None = None) -> None:
    """Make Spark fail in the second wave that is sent from now on."""
    append = waves._append
    calls = iter(range(100))

    def fail(*arguments: Any) -> int:
        if next(calls) == 1:
            raise error or RuntimeError("out of memory")
        return append(*arguments)

    monkeypatch.setattr(waves, "_append", fail)


def wait_for_messages(api: StandIn, count: int, check: Callable[[], None] = lambda: None) -> None:
    """Return when so many messages have arrived; `check` raises an error if none can come any more."""
    clock = SystemClock()
    deadline = clock.monotonic() + 120
    while api.received.count() < count:
        check()
        assert clock.monotonic() < deadline, "nothing was sent"
        clock.sleep(0.02)


@contextlib.contextmanager
def sigterm_after(api: StandIn, count: int) -> Iterator[None]:
    """Send this process a real SIGTERM when so many messages of the command in the block have arrived."""

    def terminate() -> None:
        wait_for_messages(api, count)
        # Without the command's own handler the signal would end the whole test run
        if signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
            os.kill(os.getpid(), signal.SIGTERM)

    watcher = threading.Thread(target=terminate, daemon=True)
    watcher.start()
    yield
    watcher.join()
