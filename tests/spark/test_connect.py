"""Tests the commands on Spark Connect, which serverless compute uses.

There are no RDDs, no JVM and no Spark context there; everything else must hold.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import connect_commands
import pytest
from connect_server import connect_server
from sync_bench import KEY, ORDERS, Bench, order_rows, small_waves, wait_for_messages
from sync_bench import ROWS_OF_WAVES as ROWS

from cio_spark.spark.versions import IS_SPARK_4
from cio_spark.standin import Fault, StandIn

pytestmark = [
    pytest.mark.skipif(not IS_SPARK_4, reason="Spark Connect of version 3.5 is refused"),
    pytest.mark.classic("starts servers of its own, beside the session that writes its sources"),
]


@pytest.fixture
def server(tmp_path: Path, warehouse: Path) -> Iterator[str]:
    """Start a Spark Connect server, and yield its address."""
    with connect_server(tmp_path, warehouse) as address:
        yield address


@pytest.fixture
def server_without_egress(tmp_path: Path, warehouse: Path) -> Iterator[str]:
    """Start a Spark Connect server whose workers have no way to the API."""
    with connect_server(tmp_path, warehouse, HTTP_PROXY="http://127.0.0.1:9") as address:
        yield address


def run_commands(server: str, warehouse: Path, *commands: list[str]) -> subprocess.Popen[str]:
    """Start a process that runs commands of `cio-spark` one after the other on the server."""
    return subprocess.Popen(
        [sys.executable, str(Path(connect_commands.__file__))]
        + [json.dumps([*command, "--warehouse", str(warehouse)]) for command in commands],
        env={**os.environ, "CUSTOMERIO_API_KEY": KEY, "SPARK_REMOTE": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


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
        ["setup", str(good)],
        ["report", str(good), "--output", str(tmp_path / "report.html")],
        ["sync", str(waves)],
    ]
    process = run_commands(server, warehouse, *commands)

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
    assert statuses == [0, 0, 0, 0, 2, 2, 2, 2, 0, 0, 0, 9, 0, 0, 143], said
    assert "what was sent to Customer.io</title>" in (tmp_path / "report.html").read_text(encoding="utf-8")
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


@pytest.mark.slow
def test_workers_without_a_way_to_the_api_end_a_run_on_connect_before_its_claim(
    orders: Bench, warehouse: Path, tmp_path: Path, api: StandIn, server_without_egress: str
) -> None:
    orders.write_sql(order_rows(3))
    config = orders.write_config(tmp_path / "orders.yml")

    said = run_commands(server_without_egress, warehouse, ["sync", str(config)]).communicate(timeout=200)[0]

    assert "exit status: 6" in said
    assert f"a worker cannot reach {api.url.split('/')[2]} (no connection" in " ".join(said.split())
    assert KEY not in said
    # The driver's own probe is the only request
    assert (len(api.received.requests()), api.received.count()) == (1, 0)
    # The run had set the tables up; this session does not know them yet
    assert orders.tables.exists("sync_runs")
    assert orders.tables.read("sync_runs").where(f"sync = '{orders.name}'").count() == 0
