"""Tests alerts on rows written by hand.

Each alert opens once and resolves once, also while a run is at work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from pyspark.sql import SparkSession
from tables_by_hand import NOON, ByHand, at, batch, ended, facts, started, status

from cio_spark.config import SyncConfig, TablesSection, WebhookUrl
from cio_spark.monitoring.check import check_after_run, check_sync
from cio_spark.monitoring.health import Health
from cio_spark.monitoring.observing import observe_sync
from cio_spark.results import Tables
from cio_spark.results.alerts import append_alert_events, read_alert_events

URL = WebhookUrl("https://hooks.example/T0/B0/very-secret")
EVERY_ALERT = {
    "high_error_rate",
    "slow_processing",
    "low_throughput",
    "books_not_balanced",
    "run_failed",
    "run_lost",
    "no_recent_run",
    "unusual_volume",
    "dead_letter_depth",
}


@dataclass
class StoppedClock:
    """Shows the same time at every call."""

    time: datetime

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return 0.0

    def sleep(self, seconds: float) -> None:
        raise AssertionError(f"nothing waits here, not {seconds} s")


def config(sync: str, **monitoring: Any) -> SyncConfig:
    return SyncConfig.model_validate(
        {
            "sync": {"name": sync},
            "source": {"table": "shop.orders"},
            "payload": {"call": "track", "record_id": "id", "user_id": "id", "event": {"value": "e"}},
            "tables": {"database": "tests"},
            "monitoring": monitoring,
        }
    )


@pytest.fixture(scope="module")
def tables(spark: SparkSession, warehouse: Path) -> ByHand:
    return ByHand(spark, warehouse).set_up()


def look(tables: ByHand, sync: str, second: float, told: list[str] | None = None, **monitoring: Any) -> Health:
    """Check the sync once, so many seconds after noon; what the webhook is told goes into `told`."""

    def send(_: WebhookUrl, text: str) -> int:
        assert told is not None
        told.append(text)
        return 200

    return check_sync(
        config(sync, **monitoring),
        tables.tables,
        clock=StoppedClock(at(second)),
        webhook=None if told is None else URL,
        send=send,
    )


def events_of(tables: ByHand, sync: str) -> list[tuple[str, str]]:
    return [(event["type"], event["event"]) for event in read_alert_events(tables.tables, sync)]


def test_every_alert_opens_once_resolves_once_and_is_told_once(tables: ByHand) -> None:
    limits = {"expected_every_minutes": 60, "most_dead_letters": 2, "window_minutes": 10}
    usual = [
        row
        for number in range(3)
        for row in (started("ill", f"r{number}", -9000 + number), ended("ill", f"r{number}", -8000 + number, 1000))
    ]
    tables.write(
        "sync_runs",
        [
            *usual,
            started("ill", "r3", -7300),
            ended("ill", "r3", -7250, 5000, accepted=4000, status="failed", exit_status=5, error="the books …"),
            started("ill", "r4", -7200, claim_expires_at=at(-6300)),
        ],
    )
    tables.write("batch_operations", [batch("ill", "r4", 1, start=-120, stop=-30, total=200, failed=50)])
    tables.write(
        "dead_letters", [{"sync": "ill", "run_id": "r3", "record_id": f"o{n}", "message_id": f"m{n}"} for n in range(3)]
    )
    told: list[str] = []

    first = look(tables, "ill", 0, told, **limits)
    assert {event.type for event in first.opened} == EVERY_ALERT
    assert first.status == "critical"
    assert first.exit_status == 9
    assert first.webhook == "told the webhook of 9 changes"
    (slow,) = [event for event in first.opened if event.type == "slow_processing"]
    assert (slow.run_id, slow.batch_id, slow.message) == ("r4", "ill-r4-1", "a batch took 90.0 s, more than 60 s")

    second = look(tables, "ill", 60, told, **limits)
    assert (second.opened, second.resolved, second.webhook) == ((), (), None)
    assert {event.type for event in second.open_alerts} == EVERY_ALERT
    assert len(told) == 1

    tables.write("sync_runs", [started("ill", "r5", 900), ended("ill", "r5", 1000, 1100)])
    healthy = [batch("ill", "r5", number, start=900 + number / 50, stop=901 + number / 50) for number in range(1000)]
    tables.write("batch_operations", healthy)
    accepted = [status("ill", "r5", f"o{number}") for number in range(3)]
    tables.write("record_status", accepted)

    third = look(tables, "ill", 1000, told, **limits)
    assert {event.type for event in third.resolved} == EVERY_ALERT
    assert (third.status, third.exit_status, third.open_alerts) == ("healthy", 0, ())
    assert third.observed.window.requests_per_second == pytest.approx(1000 / 20.98)
    assert sorted(events_of(tables, "ill")) == sorted(
        (kind, event) for kind in EVERY_ALERT for event in ("opened", "resolved")
    )
    assert len(told) == 2
    assert not any("very-secret" in text for text in [*told, repr(first), str(first)])

    rows = tables.tables.read("alert_state").where("sync = 'ill'").collect()
    assert {(row["type"], row["is_open"]) for row in rows} == {(kind, False) for kind in EVERY_ALERT}


def test_a_run_at_work_shows_its_committed_waves_and_its_claim(tables: ByHand) -> None:
    tables.write("sync_runs", [started("live", "r1", -100)])
    sent = facts(-60, -59, requests=2, attempts=2)
    failed = {"batch_id": "live-r1-1", "batch": sent, "error_category": "server", "error_code": "http_503"}
    tables.write(
        "record_status",
        [
            *[status("live", "r1", f"o{number}", batch_id="live-r1-1", batch=sent) for number in range(6)],
            *[status("live", "r1", f"f{number}", "failed", **failed) for number in range(4)],
        ],
    )
    health = look(tables, "live", 0, minimum_records=10)
    assert health.observed.running is not None
    assert health.observed.running.run_id == "r1"
    window = health.observed.window
    assert (window.batch_count, window.total_records, window.error_rate_percent) == (1, 10, 40.0)
    assert (window.requests, window.busy_seconds) == (2, 1.0)
    assert [event.type for event in health.opened] == ["high_error_rate"]
    # The run fills batch_operations before it writes its end: its batch must not count twice
    tables.write("batch_operations", [batch("live", "r1", 1, start=-60, stop=-59, total=10, failed=4, requests=2)])
    assert observe_sync(tables.tables, config("live"), now=NOON).window.batch_count == 1


def test_a_window_counts_only_its_own_work_and_survives_wrong_clocks(tables: ByHand) -> None:
    tables.write(
        "batch_operations",
        [
            batch("edge", "r1", 1, start=-320, stop=-290),
            batch("edge", "r1", 2, start=-400, stop=-310),
            batch("skew", "r1", 1, start=500, stop=400),
            batch("skew", "r1", 2, start=-10, stop=600),
            batch("skew", "r0", 1, start=0, stop=90),  # of an unknown run
        ],
    )
    tables.write("sync_runs", [started("edge", "r1", -1000), started("skew", "r1", -1000), ended("skew", "r1", -900)])
    edge = observe_sync(tables.tables, config("edge"), now=NOON).window
    assert (edge.batch_count, edge.busy_seconds) == (1, 10.0)
    skew = observe_sync(tables.tables, config("skew"), now=NOON).window
    assert (skew.batch_count, skew.busy_seconds, skew.max_processing_time_seconds) == (2, 610.0, 610.0)


def test_nothing_lately_and_everything_failed(tables: ByHand) -> None:
    tables.write("sync_runs", [started("once", "r1", -7200), ended("once", "r1", -7100)])
    assert look(tables, "once", 0).status == "no_recent_data"
    tables.write("sync_runs", [started("once", "r2", -60)])
    tables.write("batch_operations", [batch("once", "r2", 1, start=-2, stop=-1, total=100, failed=100)])
    all_failed = look(tables, "once", 0)
    assert (all_failed.status, [event.type for event in all_failed.opened]) == ("critical", ["high_error_rate"])
    # without new batches the window says nothing, so open alerts stay open
    assert look(tables, "once", 3600).status == "critical"


def test_dead_letters_of_records_accepted_since_do_not_wait(tables: ByHand) -> None:
    letters = [
        {"sync": "letters", "run_id": f"r{n % 2}", "record_id": f"o{n // 2}", "message_id": f"m{n}"} for n in range(8)
    ]
    # A record that our own validation refused has no message id, and no replay can send it
    refused = [{"sync": "letters", "run_id": "r0", "record_id": f"x{n}"} for n in range(8)]
    tables.write("dead_letters", [*letters, *refused])
    older, newer = status("letters", "r0", "o0"), status("letters", "r2", "o1")
    tables.write("record_status", [older, newer, status("letters", "r2", "o2", "failed")])
    assert look(tables, "letters", 0, most_dead_letters=5).observed.dead_letters == 3


def test_of_two_monitors_at_a_time_one_opens_the_alert(tables: ByHand) -> None:
    event = {
        "alert_id": "pair-run_failed-1",
        "type": "run_failed",
        "severity": "critical",
        "event": "opened",
        "message": "m",
        "sync": "pair",
        "run_id": "r1",
        "batch_id": None,
    }
    append_alert_events(tables.tables, "pair", [{**event, "at": at(1)}], seen=None)
    append_alert_events(tables.tables, "pair", [{**event, "at": at(2)}], seen=None)
    assert [found["at"] for found in read_alert_events(tables.tables, "pair")] == [at(1)]
    # after somebody has emptied the table, an alert with the same number must not be lost
    tables.spark.sql(f"DELETE FROM {tables.tables.name('alerts')} WHERE sync = 'pair'")
    append_alert_events(tables.tables, "pair", [{**event, "at": at(3)}], seen=None)
    assert [found["at"] for found in read_alert_events(tables.tables, "pair")] == [at(3)]


def test_a_sync_is_never_failed_by_its_monitoring(tables: ByHand) -> None:
    def no_webhook(_: SyncConfig) -> WebhookUrl | None:
        raise RuntimeError("dbutils says no")

    clock = StoppedClock(NOON)
    health = check_after_run(config("nobody"), tables.tables, clock=clock, find_webhook=no_webhook)
    assert health is not None
    assert (health.status, health.exit_status, health.observed.window.batch_count) == ("no_data", 0, 0)
    nowhere = Tables(tables.spark, TablesSection(database="nowhere"), tables.warehouse)
    assert check_after_run(config("any"), nowhere, clock=clock, find_webhook=no_webhook) is None
    unwatched = config("any").batch.model_copy(update={"enable_monitoring": False})
    off = config("any").model_copy(update={"batch": unwatched})
    assert check_after_run(off, tables.tables, clock=clock, find_webhook=no_webhook) is None
