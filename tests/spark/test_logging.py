"""Tests real commands with `--log json`.

They must log exactly the documented events and fields, with counts that equal the tables.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import functions as F
from sync_bench import KEY, ORDERS, SMALL_WAVES, Bench, claim_by_hand, order_rows
from sync_bench import ROWS_OF_WAVES as ROWS
from typer.testing import CliRunner, Result

from cio_spark.cli import app
from cio_spark.config import ApiKey
from cio_spark.logs.events import BINDINGS, FIELDS, Event
from cio_spark.pipeline import run_sync
from cio_spark.pipeline import waves as pipeline_waves
from cio_spark.results import set_up_tables
from cio_spark.spark.session import log_file
from cio_spark.standin import Fault

STATES = (
    *("accepted", "invalid", "rejected", "failed", "not_attempted", "unchanged", "changed_ignored", "held"),
    *("superseded", "not_started", "in_doubt"),
)
KEPT = ("source_rows", *STATES, "requests", "retries", "bytes", "compressed_bytes", "exit_status")


def invoke(bench: Bench, *arguments: str, log: tuple[str, ...] = ("--log", "json")) -> Result:
    environment = {"CUSTOMERIO_API_KEY": KEY, "CUSTOMERIO_BASE_URL": None, "COLUMNS": "200"}
    command = [*arguments, "--warehouse", str(bench.warehouse), *log]
    return CliRunner().invoke(app, command, env=environment, catch_exceptions=False)


def checked(lines: list[str]) -> list[dict[str, Any]]:
    """Return the events of these lines, which must all be JSON, documented, complete and in order of time."""
    events = [json.loads(line) for line in lines]
    for event in events:
        assert list(event) == ["timestamp", "level", "event", *BINDINGS, *FIELDS[Event(event["event"])]]
        assert datetime.fromisoformat(event["timestamp"].replace("Z", "+00:00")).tzinfo is not None
        assert event["level"] in ("info", "warning", "error")
    assert [event["timestamp"] for event in events] == sorted(event["timestamp"] for event in events)
    return events


def events_of(result: Result) -> list[dict[str, Any]]:
    """Return the events of a command, and check that none is on standard output."""
    assert '"event"' not in result.stdout
    return checked(result.stderr.splitlines())


def names(events: list[dict[str, Any]]) -> list[str]:
    return [event["event"] for event in events]


def only(events: list[dict[str, Any]], event: Event) -> dict[str, Any]:
    (found,) = [one for one in events if one["event"] == event.value]
    return found


def run_of(bench: Bench, run_id: str) -> dict[str, Any]:
    """Return the row of a run in `sync_run_state`."""
    set_up_tables(bench.tables)
    (row,) = bench.tables.read("sync_run_state").where(F.col("run_id") == run_id).collect()
    return row.asDict()


def worker_lines(bench: Bench, run_id: str) -> list[dict[str, Any]]:
    """Return what the worker processes of this session have logged about a run.

    The JVM keeps their standard error in a file.
    """
    text = log_file(bench.warehouse).read_text(errors="replace")
    return [json.loads(line) for line in text.splitlines() if line.startswith("{") and run_id in line]


def assert_counts_equal_the_tables(bench: Bench, events: list[dict[str, Any]]) -> None:
    ended, run_id = events[-1], events[-1]["run_id"]
    assert ended["event"] == "run_ended"
    run = run_of(bench, run_id)
    assert {name: ended[name] for name in KEPT} == {name: run[name] for name in KEPT}
    assert sum(ended[state] for state in STATES) == ended["source_rows"]
    statuses = Counter(row["status"] for row in bench.statuses(run_id))
    committed = [event for event in events if event["event"] == "wave_committed"]
    for status in STATES[:5]:
        assert sum(event[status] for event in committed) == statuses[status], status
    for name in ("requests", "retries", "bytes"):
        assert sum(event[name] for event in committed) == run[name], name
    said = Counter[tuple[str, str, str]]()
    for event in events:
        if event["event"] == "batch_failures":
            assert event["records"] == sum(failure["records"] for failure in event["failures"])
            for failure in event["failures"]:
                said[failure["status"], failure["category"], failure["code"]] += failure["records"]
    assert said == Counter(
        (row["status"], row["error_category"] or "", row["error_code"] or "")
        for row in bench.statuses(run_id)
        if row["status"] != "accepted"
    )


def test_a_sync_of_one_wave_says_each_step_and_a_second_one_that_there_is_nothing_to_send(
    orders: Bench, tmp_path: Path
) -> None:
    orders.write_sql(order_rows(40))
    conf = str(orders.write_config(tmp_path / "orders.yml"))
    first = invoke(orders, "sync", conf)
    events = events_of(first)
    assert first.exit_code == 0
    steps = ["claim_made", "run_started", "run_planned", "wave_started", "wave_committed", "run_ended"]
    assert names(events) == steps
    assert {event["sync"] for event in events} == {orders.name}
    assert {event["run_id"] for event in events} == {events[0]["run_id"]}
    assert {event["level"] for event in events} == {"info"}
    assert_counts_equal_the_tables(orders, events)
    run = run_of(orders, events[0]["run_id"])
    started, planned = only(events, Event.RUN_STARTED), only(events, Event.RUN_PLANNED)
    assert (started["source"], started["source_version"]) == (run["source"], run["source_version"])
    assert (planned["source_rows"], planned["new"], planned["waves"], planned["max_bytes"]) == (40, 40, 1, 500_000)
    # The result is on standard output; the progress display is not, because it says the same as the events
    assert f"{orders.name} · run " in first.stdout
    assert "looking for what still needs sending" not in first.stdout
    assert "limited by" not in first.stdout

    idle = events_of(invoke(orders, "sync", conf))
    assert names(idle) == ["run_started", "run_ended"]
    assert (idle[-1]["scope"], idle[-1]["source_rows"]) == ("none", 0)

    second = invoke(orders, "sync", conf, "--full", log=())  # standard output is no terminal
    again = events_of(second)
    assert names(again) == ["claim_made", "run_started", "run_planned", "run_ended"]
    assert only(again, Event.RUN_PLANNED)["unchanged"] == again[-1]["unchanged"] == 40
    assert only(again, Event.RUN_STARTED)["configuration_hash"] == started["configuration_hash"]
    assert_counts_equal_the_tables(orders, again)


def test_off_is_silent_and_shows_progress_and_text_is_for_people(orders: Bench, tmp_path: Path) -> None:
    orders.write_sql(order_rows(5))
    conf = str(orders.write_config(tmp_path / "orders.yml"))
    text = invoke(orders, "sync", conf, log=("--log", "text"))
    assert [line.split()[1:3] for line in text.stderr.splitlines()][-1] == ["info", "run_ended"]
    assert f"sync={orders.name}" in text.stderr
    off = invoke(orders, "sync", conf, "--full", log=("--log", "off"))
    assert off.stderr == ""
    assert "looking for what still needs sending" in off.stdout


def test_a_sync_in_waves_with_faults_says_what_failed_by_code_on_the_driver_and_in_the_workers(
    orders: Bench, tmp_path: Path
) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    orders.api.script(Fault(poison=frozenset({"c7", "c8"})), Fault(status=503, after=3, times=4))
    batch = {"error_threshold_percent": 0.0, "retry_attempts": 1, "enable_monitoring": True}
    sections = {"batch": {**SMALL_WAVES["batch"], **batch}, "delivery": SMALL_WAVES["delivery"]}
    result = invoke(orders, "sync", str(orders.write_config(tmp_path / "orders.yml", **sections)))
    events = events_of(result)

    assert result.exit_code == 3
    planned = only(events, Event.RUN_PLANNED)
    assert planned["waves"] > 1
    waves = [event["wave"] for event in events if event["event"] == "wave_committed"]
    assert waves == [event["wave"] for event in events if event["event"] == "wave_started"]
    assert waves == list(range(planned["waves"]))
    assert_counts_equal_the_tables(orders, events)
    codes = {
        (failure["status"], failure["code"])
        for event in events
        if event["event"] == "batch_failures"
        for failure in event["failures"]
    }
    assert ("rejected", "http_400") in codes
    assert (events[-1]["level"], events[-1]["exit_status"], events[-1]["balanced"]) == ("error", 3, True)
    opened = [event for event in events if event["event"] == "alert_opened"]
    alerts = orders.tables.read("alerts").where((F.col("sync") == orders.name) & (F.col("event") == "opened"))
    assert sorted(event["alert_id"] for event in opened) == sorted(row["alert_id"] for row in alerts.collect())
    assert "run_failed" in {event["alert"] for event in opened}

    run_id = events[0]["run_id"]
    of_workers = worker_lines(orders, run_id)
    for line in of_workers:
        assert list(line) == ["timestamp", "level", "event", *BINDINGS, *FIELDS[Event(line["event"])]]
    assert {(line["run_id"], line["sync"]) for line in of_workers} == {(run_id, orders.name)}
    assert {line["code"] for line in of_workers if line["event"] == "request_failures"} == {"http_400", "http_503"}
    assert {line["wave"] for line in of_workers} <= set(waves)
    partitions = max(event["partitions"] for event in events if event["event"] == "wave_started")
    assert {line["partition"] for line in of_workers} <= set(range(partitions))


def test_a_refused_claim_and_what_keeps_a_run_from_starting_are_events(orders: Bench, tmp_path: Path) -> None:
    orders.write_sql(order_rows(3))
    conf = str(orders.write_config(tmp_path / "orders.yml"))
    set_up_tables(orders.tables)
    holder = claim_by_hand(orders.tables, orders.name)
    refused = invoke(orders, "sync", conf)
    (event,) = events_of_failure(refused)
    assert (event["event"], event["run_id"], event["holder_run_id"]) == ("claim_refused", None, holder.run_id)
    assert event["exit_status"] == refused.exit_code == 2

    told = invoke(orders, "sync", conf, "--take-over")
    events = events_of(told)
    assert names(events)[:4] == ["claim_made", "claim_took_over", "run_started", "lost_run_settled"]
    assert only(events, Event.CLAIM_TOOK_OVER)["reason"] == "told"
    assert {only(events, name)["lost_run_id"] for name in (Event.CLAIM_TOOK_OVER, Event.LOST_RUN_SETTLED)} == {
        holder.run_id
    }
    orders.api.script(Fault(status=401))
    withdrawn = invoke(orders, "sync", conf)
    (event,) = events_of_failure(withdrawn)
    assert (event["event"], event["error_type"]) == ("run_not_started", "AuthenticationError")
    assert event["exit_status"] == withdrawn.exit_code == 4


def events_of_failure(result: Result) -> list[dict[str, Any]]:
    """Return the events of a sync that could not start.

    Its sentence for people is on standard error too, and is not part of the log.
    """
    return checked([line for line in result.stderr.splitlines() if line.startswith("{")])


def test_a_run_that_a_defect_ends_says_so_and_quotes_nothing(
    orders: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(3))
    conf = str(orders.write_config(tmp_path / "orders.yml"))

    def fail(*_: Any, **__: Any) -> int:
        raise RuntimeError("a defect that quotes o1")

    with monkeypatch.context() as broken:
        broken.setattr(pipeline_waves, "_append", fail)
        result = invoke(orders, "sync", conf)
    events = events_of_failure(result)
    assert names(events)[-2:] == ["wave_started", "run_ended"]
    ended = events[-1]
    assert (ended["exit_status"], ended["in_doubt"], ended["source_rows"]) == (1, 3, 3)
    assert run_of(orders, ended["run_id"])["in_doubt"] == 3
    assert "o1" not in json.dumps(events)


@pytest.mark.slow
def test_replay_setup_maintain_and_monitor_log_too(orders: Bench, tmp_path: Path) -> None:
    orders.write_sql(order_rows(6))
    orders.api.script(Fault(poison=frozenset({"c1"})))
    conf = str(orders.write_config(tmp_path / "orders.yml", batch={"error_threshold_percent": 0.0}))
    made = only(events_of(invoke(orders, "setup", conf)), Event.TABLES_SET_UP)
    assert (made["run_id"], made["sync"]) == (None, orders.name)
    assert invoke(orders, "sync", conf).exit_code == 3

    opened = events_of(invoke(orders, "monitor", conf))
    assert {event["event"] for event in opened} == {"alert_opened"}
    assert {(event["run_id"], event["sync"]) for event in opened} == {(None, orders.name)}
    orders.api.clear_faults()
    replayed = events_of(invoke(orders, "replay", conf))
    assert names(replayed)[0] == "claim_made"
    assert only(replayed, Event.RUN_STARTED)["source"] == "dead letters"
    assert_counts_equal_the_tables(orders, replayed)
    assert replayed[-1]["accepted"] == 1
    maintained = only(events_of(invoke(orders, "maintain", conf)), Event.TABLES_MAINTAINED)
    assert any("record_status" in line for line in maintained["changes"])


def test_a_wave_that_is_sent_again_for_want_of_an_executor_says_so(
    orders: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(3))
    append, tries = pipeline_waves._append, list[int]()

    def lose_an_executor_once(*arguments: Any) -> int:
        tries.append(1)
        if len(tries) == 1:
            raise RuntimeError("failed barrier ResultStage")
        return append(*arguments)

    monkeypatch.setattr(pipeline_waves, "_append", lose_an_executor_once)
    monkeypatch.setattr(pipeline_waves, "_may_go_again", lambda *_: True)
    events = events_of(invoke(orders, "sync", str(orders.write_config(tmp_path / "orders.yml"))))
    retried = only(events, Event.WAVE_RETRIED)
    assert (retried["wave"], retried["attempt"], retried["reason"]) == (0, 2, "executor_lost")
    assert names(events)[-1] == "run_ended"


def test_as_a_library_a_run_writes_nothing_and_leaves_logging_alone(
    bench: Callable[..., Bench], capfd: pytest.CaptureFixture[str]
) -> None:
    sync = bench(ORDERS)
    sync.write_sql(order_rows(4))
    sync.api.script(Fault(status=503, times=1))
    capfd.readouterr()
    result = run_sync(sync.config(), spark=sync.spark, api_key=ApiKey(KEY), warehouse=sync.warehouse)
    assert result.books.delivery.accepted == 4
    assert capfd.readouterr() == ("", "")
    assert worker_lines(sync, result.run_id) == []
