"""Attacks a sync, and then counts the records that were lost.

The attack consists of API faults, slow answers, poisoned records, a killed driver, a killed executor, and a driver that
is stopped until its claim has ended. There are more workers than task slots, so every slot is busy all the time. When
all records have arrived, rows are appended, and the driver of the incremental run that finds them is killed too.
"""

from __future__ import annotations

import argparse
import shutil
from dataclasses import dataclass, field
from pathlib import Path

# audit, standalone_cluster, submission and waiting are in tests/support, because tests/cluster uses them too;
# `make chaos` puts that folder on the import path
from audit import Ledger, arrivals_of, ledger_of, lost
from chaos_report import Findings, print_report
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from rich.console import Console
from standalone_cluster import Cluster
from submission import Submitted, Submitter
from waiting import wait_until
from wheel_building import install_wheel

from cio_spark import ledger
from cio_spark.clock import SystemClock
from cio_spark.config import load_config
from cio_spark.pipeline.checks import prepare_and_validate
from cio_spark.spark.session import build_session
from cio_spark.standin import Fault, StandIn

SYNC = "chaos"
KEY = "standin-key"
RECORDS_PER_PERSON = 10
RECORDS_PER_REQUEST = 1000
WORKERS = 16
RATE_LIMIT_PER_SECOND = 200
TIMEOUT_SECONDS = 5
POISON_EVERY = 1000
WAVES = 10
# Share of all records that arrives in a run before the attack on it: the driver of the first run is killed; the driver
# of the second run is stopped; the third run takes the sync over and loses an executor. When the third run has ended,
# the stopped driver goes on
DRIVER_DIES_AT, DRIVER_STOPS_AT, EXECUTOR_DIES_AT = 0.3, 0.2, 0.2
# Share of rows that are appended then, and share of all records at which the driver of that run is killed
APPENDED, INCREMENTAL_DRIVER_DIES_AT = 0.3, 0.1
LEASE_SECONDS = 30
MOST_TAKE_OVER_SECONDS = 5 * LEASE_SECONDS + TIMEOUT_SECONDS + 120.0
REFUSED, TAKEN_OVER = 2, 11
MOST_RUNS = 12
RUN_SECONDS = 3600.0
# Exit statuses with which the attack goes on: finished; finished over the error threshold, for example with only poison
# left to send; API given up, so that the sync must be run again
GOES_ON = frozenset({0, 3, 6})
CONF = """
sync: {{name: {sync}}}
source: {{path: "{source}"}}
payload:
  call: identify
  record_id: change_id
  user_id: customer_id
  timestamp: changed_at
  traits: {{include: [plan, city, visits, spent, receipt], set: {{record: change_id, sync: {{value: {sync}}}}}}}
batch: {{max_batch_size: {size}, parallel_workers: {workers}, rate_limit_rps: {rate}, retry_backoff_seconds: 0.1,
  timeout_seconds: {timeout}}}
delivery: {{wave_minutes: {wave_minutes:.9f}, lease_seconds: {lease}}}
api: {{base_url: "{url}"}}
"""

console = Console(width=110)


@dataclass
class Attack:
    """Describes one sync and the attacks on it.

    Attributes:
        spark: local session that writes the source and reads the tables.
        api: the stand-in.
        cluster: the cluster on which the sync runs.
        submitter: submits the sync to the cluster.
        records: number of rows of the source.
        poison: ids of the records that the stand-in refuses.
        runs: one line for each run that says how it ended.
    """

    spark: SparkSession
    api: StandIn
    cluster: Cluster
    submitter: Submitter
    records: int
    poison: set[str] = field(default_factory=set)
    runs: list[str] = field(default_factory=list)

    @property
    def source(self) -> Path:
        """Folder of the Delta table that is the source."""
        return self.submitter.warehouse / "shop" / "changes"

    @property
    def conf(self) -> Path:
        """Path of the sync file."""
        return self.submitter.folder / "chaos.yml"

    @property
    def rows(self) -> DataFrame:
        """Rows of the source."""
        return self.spark.read.format("delta").load(str(self.source))

    def _append(self, first: int, until: int) -> None:
        """Append rows with these numbers to the source, which gets a change feed when it is made."""
        number = F.col("id")
        persons = max(1, self.records // RECORDS_PER_PERSON)
        rows = self.spark.range(first, until, 1, 8).select(
            F.format_string("change-%09d", number).alias("change_id"),
            F.concat(F.lit("customer-"), number % persons).alias("customer_id"),
            F.timestamp_seconds(F.lit(1_750_000_000) + number).alias("changed_at"),
            F.element_at(F.array(*map(F.lit, ("basic", "plus", "premium"))), (number % 3 + 1).cast("int")).alias(
                "plan"
            ),
            F.concat(F.lit("city-"), number % 400).alias("city"),
            (number % 7).cast("int").alias("visits"),
            (number % 20_000 / 100).cast("decimal(9,2)").alias("spent"),
            F.substring(F.sha2(number.cast("string"), 256), 1, 40).alias("receipt"),
        )
        writer = rows.write.format("delta").mode("append")
        (writer if first else writer.option("delta.enableChangeDataFeed", "true")).save(str(self.source))

    def write(self) -> None:
        """Write the source and the sync file."""
        self._append(0, self.records)
        # The plan assumes that a request takes 0.25 s
        expected_seconds = self.records / RECORDS_PER_REQUEST * 0.25 / WORKERS
        self.conf.parent.mkdir(parents=True, exist_ok=True)
        self.conf.write_text(
            CONF.format(
                sync=SYNC,
                source=self.source,
                size=RECORDS_PER_REQUEST,
                workers=WORKERS,
                rate=RATE_LIMIT_PER_SECOND,
                timeout=TIMEOUT_SECONDS,
                lease=LEASE_SECONDS,
                wave_minutes=expected_seconds / 60 / WAVES,
                url=self.api.url,
            ),
            encoding="utf-8",
        )

    def script_faults(self) -> None:
        """Script everything that the API does wrong until the end."""
        chosen = self.rows.where(F.xxhash64("change_id") % POISON_EVERY == 0)
        records = ledger.mark_all_new(prepare_and_validate(load_config(self.conf), chosen))
        poison = ledger.add_message_id(records, SYNC).select("record_id", "message_id").collect()
        self.poison = {row["record_id"] for row in poison}
        self.api.script(
            Fault(status=500, share=0.05),
            Fault(status=429, share=0.05),
            Fault(drop_connection="before_reading", share=0.005),
            Fault(drop_connection="after_taking", share=0.005),
            Fault(latency_seconds=TIMEOUT_SECONDS / 2, share=0.05),
            # The stand-in takes the batch, but the client gives up before the answer comes
            Fault(latency_seconds=TIMEOUT_SECONDS + 2.0, share=0.01),
            Fault(poison=frozenset(row["message_id"] for row in poison)),
        )

    def run(self) -> None:
        """Run the sync until nothing is left to send, and kill or stop its processes on the way; then append rows."""
        self._kill_a_driver(DRIVER_DIES_AT)
        stopped = self._stop_a_driver()
        self._take_over()
        stopped.go_on()
        if (status := stopped.wait(RUN_SECONDS)) != TAKEN_OVER:
            raise SystemExit(f"the stopped driver ended with {status}, not {TAKEN_OVER}\n{stopped.story()}")
        self._tell("the driver that was stopped goes on: exit status 11", 0.0)
        self._run_until_all_is_settled()
        self._append(self.records, int(self.records * (1 + APPENDED)))
        self._kill_a_driver(INCREMENTAL_DRIVER_DIES_AT)
        self._run_until_all_is_settled()

    def _run_until_all_is_settled(self) -> None:
        while not self._nothing_pending():
            if len(self.runs) == MOST_RUNS:
                raise SystemExit(f"still not all settled after {MOST_RUNS} runs")
            self.cluster.wait_until_idle()
            self._end(self.submitter.sync(self.conf))

    def _kill_a_driver(self, share: float) -> None:
        began, running = SystemClock().monotonic(), self.submitter.sync(self.conf)
        self._wait_for(share, running)
        running.kill()
        self._tell("driver killed", began)
        self.cluster.wait_until_idle()

    def _stop_a_driver(self) -> Submitted:
        began, running = SystemClock().monotonic(), self.submitter.sync(self.conf)
        self._wait_for(DRIVER_STOPS_AT, running)
        running.stop()
        self._tell("driver stopped", began)
        return running

    def _take_over(self) -> None:
        """Run the sync while the first driver is stopped, and kill an executor of this run.

        The run is refused, and started again, as long as executors of the stopped driver may send.
        """
        clock = SystemClock()
        until = clock.monotonic() + MOST_TAKE_OVER_SECONDS
        while True:
            began, running = clock.monotonic(), self.submitter.sync(self.conf)
            if self._wait_for(EXECUTOR_DIES_AT, running, may_be_refused=True):
                break
            if clock.monotonic() > until:
                raise SystemExit(running.story())
        self.cluster.kill_executor(running.executor_of(0))
        self._end(running, ", executor killed", began)

    def _end(self, running: Submitted, told: str = "", began: float | None = None) -> None:
        began = SystemClock().monotonic() if began is None else began
        status = running.wait(RUN_SECONDS)
        if status not in GOES_ON:
            raise SystemExit(running.story())
        self._tell(f"exit status {status}{told}", began)

    def _tell(self, what: str, began: float) -> None:
        self.runs.append(f"{what}, {SystemClock().monotonic() - began:.0f} s" if began else what)
        console.print(f"run {len(self.runs)}: {self.runs[-1]}; {self.api.received.count():,} messages so far")

    def ledger(self) -> Ledger:
        """Return what the tables say about the sync."""
        return ledger_of(self.spark, self.submitter.warehouse / "customerio", SYNC)

    def findings(self) -> Findings:
        """Return the comparison of the stand-in with the tables."""
        source = {row["change_id"] for row in self.rows.select("change_id").toLocalIterator()}
        arrivals, books = arrivals_of(self.api, SYNC), self.ledger()
        return Findings(len(source), lost(source, arrivals, books), self.poison, arrivals, books, self.api, self.runs)

    def _wait_for(self, share: float, running: Submitted, *, may_be_refused: bool = False) -> bool:
        """Wait until a further share of the records has arrived, and tell whether that happened.

        Returns:
            False if the run was refused because another run has claimed the sync.
        """
        wanted = self.api.received.count() + share * self.records

        def there() -> bool:
            if may_be_refused and running.exit_status == REFUSED:
                return True
            if running.exit_status is not None:
                raise SystemExit(running.story())
            return self.api.received.count() >= wanted

        wait_until(there, RUN_SECONDS, f"{share:.0%} of the records arrive", poll_seconds=1.0)
        return running.exit_status is None

    def _nothing_pending(self) -> bool:
        last = self.ledger().runs[-1]
        # A row that stands for a run that was taken over has no counts, so something is still pending
        if last["source_rows"] is None or last["unchanged"] + last["held"] != last["source_rows"]:
            return False
        return bool(last["covered_version"] == self._newest_version())

    def _newest_version(self) -> int:
        history = self.spark.sql(f"DESCRIBE HISTORY delta.`{self.source}` LIMIT 1")
        return int(history.collect()[0]["version"])


def main() -> None:
    """Attack the sync, then compare the stand-in with the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=1_000_000, help="rows of the source")
    parser.add_argument("--folder", type=Path, default=Path(".cio-spark/chaos"), help="emptied first")
    chosen = parser.parse_args()
    folder = chosen.folder.resolve()
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    console.print("building the wheel, starting a cluster of four executors, two for each run")
    python = install_wheel(folder / "wheel")
    spark = build_session(folder / "warehouse", app_name="cio-spark-chaos")
    try:
        with (
            StandIn(api_key=KEY, store=folder / "standin.sqlite") as api,
            Cluster(folder / "cluster", workers=4, worker_memory="2g") as cluster,
        ):
            submitter = Submitter(cluster, python, folder / "submitted", folder / "warehouse", KEY, "2g")
            attack = Attack(spark, api, cluster, submitter, chosen.records)
            try:
                attack.write()
                attack.script_faults()
                attack.run()
            finally:
                submitter.end()
            well = print_report(console, attack.findings(), parallel_workers=WORKERS, rate_limit=RATE_LIMIT_PER_SECOND)
    finally:
        spark.stop()
    raise SystemExit(0 if well else 1)


if __name__ == "__main__":
    main()
