"""Tests that the API's words about a record stay in that record's own row.

These words may echo the data of the record, or control a terminal.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F
from sync_bench import KEY, Bench, order_rows
from typer.testing import CliRunner

from cio_spark.cli import app
from cio_spark.standin import Fault

ECHO = "someone@example.com"
ONE_BY_ONE: dict[str, Any] = {
    "max_batch_size": 1,
    "parallel_workers": 1,
    "retry_attempts": 0,
    "strategy": "size_based",
    "enable_compression": False,  # a first 400 to a compressed body may be about the compression
    "enable_monitoring": True,
}


def echoing(status: int, at: int) -> Fault:
    said = f"\x1b]0;title\x07\x1b[2J{ECHO} \u202eis no user"
    return Fault(status=status, after=at, times=1, body=json.dumps({"meta": {"error": said}}))


@pytest.mark.slow
def test_an_echoed_address_reaches_neither_terminal_nor_report_alerts_or_run_and_no_sign_steers_a_terminal(
    orders: Bench, tmp_path: Path
) -> None:
    def invoke(*arguments: str) -> str:
        environment = {"CUSTOMERIO_API_KEY": KEY, "CUSTOMERIO_BASE_URL": None, "COLUMNS": "200"}
        result = CliRunner().invoke(app, [*arguments, "--warehouse", str(orders.warehouse)], env=environment)
        assert "Traceback" not in result.output
        return result.output

    orders.write_sql(order_rows(4, customers=4))
    orders.api.script(echoing(400, at=1), echoing(503, at=2))
    conf = str(orders.write_config(tmp_path / "orders.yml", batch=ONE_BY_ONE))
    page = tmp_path / "report.html"

    said = {command: invoke(command, conf) for command in ("sync", "analyze")}
    invoke("report", conf, "--output", str(page))
    tables = {
        name: "\n".join(orders.tables.read(name).where(F.col("sync") == orders.name).toJSON().collect())
        for name in ("sync_runs", "alerts")
    }

    assert "http_400" in said["sync"]
    assert "above the threshold" in said["sync"]
    assert "above the threshold" in tables["sync_runs"]
    assert "http_503" in page.read_text()
    assert not {name for name, text in (said | tables | {"page": page.read_text()}).items() if ECHO in text}
    rows = {row["error_code"]: row for row in orders.statuses() if row["error_code"]}
    assert {code: row["error_message"] for code, row in rows.items()} == {
        f"http_{status}": f"HTTP {status}: {ECHO} is no user" for status in (400, 503)
    }
    told = invoke("explain", conf, "--record", rows["http_400"]["record_id"])
    assert ECHO in told
    assert not any(sign in text for sign in ("\x1b]", "\x1b[2J", "\u202e") for text in (told, *said.values()))
