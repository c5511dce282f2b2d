"""Tests a run whose driver is killed with SIGKILL in the middle, and the next run.

A user's machine may kill a driver in this way.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from pyspark.sql import SparkSession
from sync_bench import order_rows, wave_of

from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey, load_config
from cio_spark.errors import ExitStatus
from cio_spark.pipeline import run_sync
from cio_spark.standin import Fault, StandIn

ROWS = 3000
CONF = """
sync: {{name: orders}}
source: {{table: shop.orders}}
payload:
  {{call: track, record_id: id, user_id: customer, event: {{value: Order Placed}}, timestamp: at,
   properties: {{include: [amount]}}}}
batch: {{max_batch_size: 20, parallel_workers: 4, rate_limit_rps: 1000}}
delivery: {{wave_minutes: 0.05}}
api: {{base_url: "{url}"}}
"""


def start(conf: Path, warehouse: Path, key: str, log: Path) -> subprocess.Popen[bytes]:
    command = [str(Path(sys.executable).with_name("cio-spark")), "sync", str(conf), "--warehouse", str(warehouse)]
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            env={**os.environ, "CUSTOMERIO_API_KEY": key},
            stdout=output,
            stderr=output,
            start_new_session=True,
        )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_killed_run_costs_at_most_one_wave_of_sending_again_and_nothing_is_lost(
    spark: SparkSession, tmp_path: Path
) -> None:
    warehouse, conf, log = tmp_path / "warehouse", tmp_path / "orders.yml", tmp_path / "log.txt"
    spark.sql(order_rows(ROWS, customers=300)).write.format("delta").save(str(warehouse / "shop" / "orders"))
    clock = SystemClock()
    with StandIn() as api:
        conf.write_text(CONF.format(url=api.url))
        api.script(Fault(latency_seconds=0.03))
        running = start(conf, warehouse, api.api_key, log)
        while api.received.count() < ROWS // 2:
            assert running.poll() is None, log.read_text()
            clock.sleep(0.05)
        os.killpg(running.pid, signal.SIGKILL)
        running.wait()
        api.clear_faults()
        again = run_sync(load_config(conf), spark=spark, api_key=ApiKey(api.api_key), warehouse=warehouse)
        assert (again.exit_status, again.books.balanced) == (ExitStatus.SUCCESS, True)
        ids = api.received.message_ids()
        assert len(set(ids)) == ROWS

        def read(table: str) -> object:
            return spark.read.format("delta").load(str(warehouse / "customerio" / table))

        events = read("sync_runs")
        ended = [row["status"] for row in events.where("event = 'ended'").orderBy("run_id").collect()]  # type: ignore[attr-defined]
        assert ended == ["lost", "succeeded"]
        statuses = read("record_status")
        accepted = statuses.where("status = 'accepted'")  # type: ignore[attr-defined]
        assert {row["message_id"] for row in accepted.collect()} == set(ids)
        largest = max(Counter((row["run_id"], wave_of(row["batch_id"])) for row in accepted.collect()).values())
        assert 0 <= len(ids) - ROWS <= largest
        assert not list((warehouse / "customerio").glob("staging*"))
