"""On Spark Connect, which serverless compute is, there are no RDDs, no JVM and no context: everything else holds."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest
from tests_support import KEY, ORDERS, Bench, order_rows, small_waves, wait_for_messages
from tests_support import ROWS_OF_WAVES as ROWS

from cio_spark.spark_versions import IS_SPARK_4
from cio_spark.standin import Fault, StandIn

pytestmark = pytest.mark.skipif(not IS_SPARK_4, reason="Spark Connect of version 3.5 is refused")


def test_commands_do_on_connect_what_they_do_elsewhere(
    bench: Callable[..., Bench], warehouse: Path, tmp_path: Path, api: StandIn
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
    slow.write_sql(order_rows(ROWS, customers=60))
    waves = slow.write_config(tmp_path / "waves.yml", **small_waves(0))

    commands = [
        ["sync", str(good)],
        ["sync", str(good), "--dry-run"],
        ["sync", str(good)],
        ["sync", str(rdd)],
        ["sync", str(bad)],
        ["explain", str(good), "--record", "o7"],
        ["analyze", str(good)],
        ["monitor", str(good)],
        ["sync", str(waves)],
    ]
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("connect_commands.py")), str(tmp_path)]
        + [json.dumps([*command, "--warehouse", str(warehouse)]) for command in commands],
        env={**os.environ, "CUSTOMERIO_API_KEY": KEY},
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

    # One invalid row is within the threshold
    statuses = [int(status) for status in re.findall(r"exit status: (\d+)", said)]
    # The last run before monitoring was the one with the bad expression, which is critical
    assert statuses == [0, 0, 0, 2, 2, 0, 0, 9, 143], said
    assert "delivery.engine: is rdd, which there is none of on Spark Connect" in said
    assert "payload.properties.set.n: `cast(customer AS INT)` fails on 302 rows of the source" in said
    # The wave that was cut off is in doubt; a run elsewhere goes on from there
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
