"""Runs failing syncs at debug level, and searches everything that was said (invariant 11 of docs/reliability.md).

Neither a payload value nor the key may be found. This file is also the program that the test runs, because Spark's
event log needs a session of its own.
"""

from __future__ import annotations

import base64
import json
import logging
import os
import re
import subprocess
import sys
import traceback
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import yaml
from pyspark.sql import SparkSession
from sync_bench import QUICK_SPARK

from cio_spark import pipeline
from cio_spark.cli import app
from cio_spark.config import ApiKey, load_config
from cio_spark.delivery import engine
from cio_spark.logs.events import Event
from cio_spark.logs.style import LogStyle
from cio_spark.spark import session
from cio_spark.standin import Fault, StandIn

VALUE = "MARKEDVALUEq7"
KEY = "MARKEDKEYz3b8"
LOGGING = """
rootLogger.level = info
rootLogger.appenderRef.stderr.ref = console
appender.console.type = Console
appender.console.name = console
appender.console.target = SYSTEM_ERR
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = %p %c: %m%n%ex
logger.scheduler.name = org.apache.spark.scheduler
logger.scheduler.level = debug
logger.executor.name = org.apache.spark.executor
logger.executor.level = debug
logger.python.name = org.apache.spark.api.python
logger.python.level = debug
"""
ROWS = f"""
SELECT concat('o', id) AS id, concat('c', id) AS customer, concat('{VALUE}', id) AS note,
  IF(id = 3, repeat('{VALUE}', 9), 'Bought') AS event, timestamp_seconds(1700000000 + id) AS at FROM range(40)
"""
MAY_HOLD_PAYLOADS = ("shop", "dead_letters", "staging_")
"""Folders that may hold payloads: the source, dead letters, and the staging that the crashed run leaves to the next."""
SPARK_DEFAULTS = """
spark.eventLog.enabled true
spark.eventLog.compress false
spark.eventLog.dir {events}
"""
EVENT: dict[str, Any] = {"call": "track", "record_id": "id", "user_id": "customer", "event": "event", "timestamp": "at"}
PLAIN = {**EVENT, "properties": {"include": ["note"]}}
PAYLOADS = {
    "refusals": PLAIN,
    # The two expressions have a part in common, which Spark would evaluate before both
    "bad_cast": {**EVENT, "properties": {"set": {"total": "cast(note AS INT) + 1", "half": "cast(note AS INT) / 2"}}},
    "bad_condition": PLAIN,
    "bad_order": PLAIN,
    "crash": PLAIN,
    "library": PLAIN,
    "refused_key": PLAIN,
}


SOURCES = {
    # The rows of a query are staged
    "refusals": {"query": "SELECT * FROM shop.orders"},
    "bad_condition": {
        "table": "shop.orders",
        "where": "id <> 'o1' AND cast(note AS DATE) > '2020-01-01' AND cast(note AS DATE) < '2030-01-01'",
    },
    "bad_order": {"table": "shop.orders", "order_by": ["cast(note AS DOUBLE) DESC"]},
}


def crash(_: int, chunks: Iterable[Any], *__: object) -> Iterator[Any]:
    """Fail in place of a delivery, when rows have been read, as a defect would."""
    rows = next(iter(chunks))
    yield from ()
    raise RuntimeError(f"a defect after {rows.num_rows} rows")


def run_sync(conf: Path, name: str) -> None:
    """Run one sync as a user types it, and print its exit status to standard output."""
    try:
        app(["sync", "--debug", str(conf / f"{name}.yml"), "--warehouse", str(conf / "warehouse")])
    except SystemExit as ended:
        print(f"exit status of {name}: {ended.code}", flush=True)  # noqa: T201  the output is what the test reads
    except Exception:  # --debug lets errors that are not ours through, as Python shows them
        traceback.print_exc()


def run_as_library(conf: Path) -> None:
    """Run a sync in a program of the user's own, whose logging takes everything."""
    opened = session.open_session(conf / "warehouse", debug=True)
    config = load_config(conf / "library.yml")
    pipeline.run_sync(
        config, spark=opened.spark, api_key=ApiKey(KEY), warehouse=opened.warehouse, executor_log=LogStyle.TEXT
    )


def fail_in_every_way(conf: Path) -> None:
    """Run every failing sync; this is what the child process does."""
    logging.basicConfig(level=logging.DEBUG, filename=conf / "python.log")
    session._QUIET_LOGGING = conf / "log4j2.properties"
    run_sync(conf, "refusals")
    run_sync(conf, "bad_cast")
    run_sync(conf, "bad_condition")
    run_sync(conf, "bad_order")
    # The functions for the tasks are pickled with what they find here, so the tasks get the replacement
    with pytest.MonkeyPatch.context() as broken:
        broken.setattr(engine, "deliver_partition", crash)
        run_sync(conf, "crash")
    run_as_library(conf)
    os.environ["CUSTOMERIO_API_KEY"] = f"{KEY}-of-another-workspace"
    run_sync(conf, "refused_key")


# Answers in which an API, or a proxy in front of it, echoes what it must not
ECHOES = (
    Fault(poison=frozenset({"c5"})),
    Fault(status=503, after=1, times=1, body=f"<html>{VALUE}1 {KEY}</html>", content_type="text/html"),
    Fault(status=400, after=2, times=1, body=json.dumps({"error": VALUE, "meta": {"errors": [{"item": VALUE}]}})),
    Fault(status=503, after=3, times=1, body=json.dumps({"meta": {"error": f"user {KEY} is busy"}})),
)


def needles(text: str) -> list[bytes]:
    """Return a text as it is, and as it looks inside any longer text in Base64.

    py4j sends bytes to the JVM in Base64.
    """
    found = [text.encode()]
    for before in range(3):
        encoded = base64.b64encode(b"." * before + text.encode())
        found.append(encoded[-(-before * 8 // 6) : len(encoded) - 4])
    return found


@dataclass(frozen=True)
class Traces:
    """Holds what the child process left behind, by file, without the folders of `MAY_HOLD_PAYLOADS`."""

    exit_statuses: list[str]
    files: dict[str, bytes] = field(repr=False)
    dead_letters: int

    def leaks(self) -> list[str]:
        """Return the places where a marked text was found, each with the bytes before it."""
        marked = re.compile(b"|".join(needles(VALUE) + needles(KEY)))
        return [
            f"{name}: {content[max(0, found.start() - 120) : found.end()].decode(errors='replace')}"
            for name, content in self.files.items()
            for found in marked.finditer(content)
        ]


@pytest.fixture(scope="module")
def traces(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Traces:
    """Run the child process, and read everything that it left behind."""
    folder = tmp_path_factory.mktemp("privacy")
    warehouse, events = folder / "warehouse", folder / "events"
    events.mkdir()
    # Delta logs the statistics of every table that it reads. Those of the source are the user's responsibility, so the
    # source has none here
    source = spark.sql(ROWS).write.format("delta").option("delta.dataSkippingNumIndexedCols", "0")
    source.save(str(warehouse / "shop" / "orders"))
    (folder / "log4j2.properties").write_text(LOGGING)
    (folder / "spark-defaults.conf").write_text(QUICK_SPARK + SPARK_DEFAULTS.format(events=events.as_uri()))
    with StandIn(api_key=KEY) as api:
        api.script(*ECHOES)
        for name, payload in PAYLOADS.items():
            said = {
                "sync": {"name": name},
                "source": SOURCES.get(name, {"table": "shop.orders"}),
                "payload": payload,
                "batch": {"retry_backoff_seconds": 0.1},
                "api": {"base_url": api.url},
            }
            (folder / f"{name}.yml").write_text(yaml.safe_dump(said))
        child = subprocess.run(
            [sys.executable, __file__, str(folder)],
            env={
                **os.environ,
                "CUSTOMERIO_API_KEY": KEY,
                "SPARK_CONF_DIR": str(folder),
                "COLUMNS": "200",
                "PYTHONPATH": os.pathsep.join(sys.path),
            },
            capture_output=True,
            timeout=400,
            check=False,
        )
    tables = warehouse / "customerio"
    files = {
        str(file.relative_to(folder)): file.read_bytes()
        for file in folder.rglob("*")
        if file.is_file() and not any(part.startswith(MAY_HOLD_PAYLOADS) for part in file.relative_to(folder).parts)
    }
    for table in tables.iterdir():
        if not table.name.startswith(MAY_HOLD_PAYLOADS):
            rows = spark.read.format("delta").load(str(table)).toJSON().collect()
            files[f"rows of {table.name}"] = "\n".join(rows).encode()
    letters = spark.read.format("delta").load(str(tables / "dead_letters")).toJSON().collect()
    files |= {"standard output": child.stdout, "standard error": child.stderr}
    said_by_child = child.stdout.decode().splitlines()
    return Traces(
        [line for line in said_by_child if line.startswith("exit status")],
        files,
        sum(VALUE in letter for letter in letters),
    )


@pytest.mark.timeout(450)
def test_no_log_table_exception_or_report_of_failing_syncs_has_a_payload_value_or_the_key(traces: Traces) -> None:
    # The attack has taken place: every sync ended as it should, and the logs have debug level
    assert traces.exit_statuses == [
        "exit status of refusals: 0",
        "exit status of bad_cast: 2",
        "exit status of bad_condition: 2",
        "exit status of bad_order: 2",
        "exit status of crash: 1",
        "exit status of refused_key: 4",
    ]
    assert traces.dead_letters >= 2
    events = b"".join(content for name, content in traces.files.items() if name.startswith("events"))
    assert b'"JobFailed"' in events
    assert b"a defect after" in events
    assert b"DEBUG org.apache.spark.executor.Executor" in traces.files["standard error"]
    assert b"DEBUG:" in traces.files["python.log"]
    # Driver and workers have logged every kind of step, as lines of a command and through the user's own logging
    errors = traces.files["standard error"]
    logged = {event for event in Event if f'"event": "{event.value}", "run_id": '.encode() in errors}
    assert logged >= {
        *(Event.CLAIM_MADE, Event.RUN_STARTED, Event.RUN_NOT_STARTED, Event.RUN_PLANNED, Event.RUN_ENDED),
        *(Event.WAVE_STARTED, Event.WAVE_COMMITTED, Event.BATCH_FAILURES, Event.REQUEST_FAILURES),
    }
    assert re.search(rb"Z warning request_failures run_id=\w+ sync=library .*code=http_400", errors)
    assert re.search(rb"INFO:cio_spark:run_ended run_id=\w+ sync=library", traces.files["python.log"])
    assert traces.leaks() == []


if __name__ == "__main__":
    fail_in_every_way(Path(sys.argv[1]))
