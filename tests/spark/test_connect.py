"""Tests the commands on Spark Connect, which serverless compute uses.

There are no RDDs, no JVM and no Spark context there; everything else must hold.
"""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import connect_commands
import pyspark
import pytest
from sync_bench import KEY, ORDERS, Bench, order_rows, small_waves, wait_for_messages
from sync_bench import ROWS_OF_WAVES as ROWS

from cio_spark.clock import SystemClock
from cio_spark.runtime import cache_folder
from cio_spark.spark.jars import delta_jars
from cio_spark.spark.versions import IS_SPARK_4
from cio_spark.standin import Fault, StandIn

pytestmark = pytest.mark.skipif(not IS_SPARK_4, reason="Spark Connect of version 3.5 is refused")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    """Start a Spark Connect server with Delta as a process of its own, and yield its address."""
    with socket.socket() as any_port:
        any_port.bind(("127.0.0.1", 0))
        port = any_port.getsockname()[1]
    settings = {
        "spark.master": "local[2]",
        "spark.connect.grpc.binding.port": str(port),
        "spark.jars": ",".join(delta_jars(cache_folder(), tmp_path / "jars.log")),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
    }
    command = [str(Path(pyspark.__file__).parent / "bin" / "spark-submit")]
    command += ["--class", "org.apache.spark.sql.connect.service.SparkConnectServer"]
    for name, value in settings.items():
        command += ["--conf", f"{name}={value}"]
    with (tmp_path / "server.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=log,
            env={**os.environ, "PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"},
            start_new_session=True,
        )
    try:
        _wait_for(port, process, tmp_path / "server.log")
        yield f"sc://127.0.0.1:{port}"
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _wait_for(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + 60
    while True:
        assert process.poll() is None, log.read_text()[-2000:]
        assert clock.monotonic() < deadline, log.read_text()[-2000:]
        with socket.socket() as trying:
            if trying.connect_ex(("127.0.0.1", port)) == 0:
                return
        clock.sleep(0.1)


@pytest.mark.slow
def test_commands_do_on_connect_what_they_do_elsewhere(
    bench: Callable[..., Bench], warehouse: Path, tmp_path: Path, api: StandIn, server: str
) -> None:
    orders, slow = bench(ORDERS), bench(ORDERS)
    others = "SELECT NULL, 'c1', 1D, now() UNION ALL SELECT 'left out', 'c1', 1D, now()"
    orders.write_sql(f"{order_rows(300)} UNION ALL {others}")
    where = {
        "source": {"path": str(orders.source), "where": "coalesce(id, '') <> 'left out' AND amount BETWEEN 0 AND 1000"}
    }
    good = orders.write_config(tmp_path / "good.yml", **where)
    rdd = orders.write_config(tmp_path / "rdd.yml", delivery={"engine": "rdd"})
    failing = {**ORDERS, "properties": {"set": {"n": "cast(customer AS INT)"}}}
    bad = orders.write_config(tmp_path / "bad.yml", payload=failing)
    text = {**ORDERS, "properties": None, "properties_from": """concat('{"n": 1.50, "id": "', id, '"}')"""}
    json_text = orders.write_config(tmp_path / "json.yml", payload=text, **where)
    over_rows = {**ORDERS, "properties": {"set": {"n": "count(*) over ()"}}}
    not_of_one_row = orders.write_config(tmp_path / "over.yml", payload=over_rows)
    no_condition = orders.write_config(tmp_path / "where.yml", source={"path": str(orders.source), "where": "amount"})
    slow.write_sql(order_rows(ROWS, customers=60))
    waves = slow.write_config(tmp_path / "waves.yml", **small_waves(0))

    commands = [
        ["sync", str(good)],
        ["sync", str(good), "--dry-run"],
        ["sync", str(json_text), "--dry-run"],
        ["sync", str(good)],
        ["sync", str(rdd)],
        ["sync", str(not_of_one_row)],
        ["sync", str(no_condition)],
        ["sync", str(bad)],
        ["explain", str(good), "--record", "o7"],
        ["explain", str(good), "--person", "nobody"],
        ["analyze", str(good)],
        ["monitor", str(good)],
        ["sync", str(waves)],
    ]
    process = subprocess.Popen(
        [sys.executable, str(Path(connect_commands.__file__))]
        + [json.dumps([*command, "--warehouse", str(warehouse)]) for command in commands],
        env={**os.environ, "CUSTOMERIO_API_KEY": KEY, "SPARK_REMOTE": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )

    def terminate() -> None:
        wait_for_messages(api, 300)
        api.script(Fault(latency_seconds=0.2))
        wait_for_messages(api, 330)
        process.send_signal(signal.SIGTERM)

    terminating = threading.Thread(target=terminate, daemon=True)
    terminating.start()
    said = process.communicate(timeout=200)[0]
    terminating.join()

    # One invalid row is within the error threshold
    statuses = [int(status) for status in re.findall(r"exit status: (\d+)", said)]
    # The last run before `monitor` was the one with the bad expression, which is a critical alert
    assert statuses == [0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 9, 143], said
    assert "delivery.engine is rdd, which there is none of on Spark Connect" in said
    assert "payload.properties.set.n is not a value of one row" in said
    assert "DATATYPE_MISMATCH" in said
    assert "payload.properties.set.n: `cast(customer AS INT)` fails on 302 rows of the source" in said
    # The wave that was cut off is in doubt; a run in another session goes on from there
    api.clear_faults()
    rest = slow.run(**small_waves(0))
    assert rest.books.balanced
    assert Counter(row["error_code"] or row["status"] for row in orders.statuses()) == {
        "accepted": 300,
        "missing_record_id": 1,
    }
    accepted = {row["message_id"] for row in slow.statuses() if row["status"] == "accepted"}
    once = {row["message_id"] for row in orders.statuses() if row["status"] == "accepted"}
    assert (len(accepted), len(once)) == (ROWS, 300)
    assert set(api.received.message_ids()) == accepted | once
    assert not once & set(api.received.duplicates())
