"""Tests that maintenance drops old history, and never the last state of a record."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from pyspark.sql import functions as F
from sync_bench import KEY, Bench, staged

from cio_spark.clock import SystemClock
from cio_spark.config import ApiKey
from cio_spark.monitoring import AlertEvent, Judgement, changes
from cio_spark.pipeline.replay import replay_sync
from cio_spark.results import maintain_tables, set_up_tables
from cio_spark.results.alerts import append_alert_events, read_alert_events
from cio_spark.results.old_row_deletion import drop_old_alerts, drop_old_letters, drop_settled_letters
from cio_spark.results.sync_runs import append_events
from cio_spark.standin import Fault


def test_old_history_goes_and_the_ledger_still_knows_every_record(people: Bench) -> None:
    people.sections = {"tables": {"database": "maintained"}}  # a database of its own, so that its tables are small
    for plan in ("a", "b"):
        people.write_sql(f"SELECT id, IF(id = 'p1', '{plan}', 'x') AS plan FROM VALUES ('p1'), ('p2') AS t(id)")
        people.run()
    assert len(people.statuses()) == 3
    now = SystemClock().now() + timedelta(days=2)
    # The staging of: an unknown run; a dead run of a retired sync; a run that the next run may recover; a living run
    stages = enumerate(("hashes", "rows", "rows", "keys"))
    unknown, retired, dead, living = (f"staging_{'0' * 25}{number}_{what}" for number, what in stages)
    for name in (unknown, retired, dead, living):
        (people.warehouse / "maintained" / name).mkdir()
    claims = ((1, now - timedelta(days=30)), (2, now - timedelta(hours=2)), (3, now + timedelta(minutes=1)))
    append_events(
        people.tables,
        [
            {"run_id": f"{'0' * 25}{number}", "sync": f"s{number}", "event": event, "at": at, "claim_expires_at": at}
            for number, at in claims
            for event in ("started", "renewed")
        ],
    )
    lines = maintain_tables(people.tables, keep_days=1, now=now)
    assert [row["record_id"] for row in people.statuses()] == ["p2", "p1"]
    assert staged(people) == [dead, living]
    assert f"swept {unknown}, {retired}" in lines
    again = people.run()
    assert again.books.survey.unchanged == 2
    assert again.books.balanced
    assert people.api.received.count() == 3


def test_dead_letters_go_once_their_records_were_accepted_and_others_when_their_time_is_over(people: Bench) -> None:
    people.sections = {"tables": {"database": "thinned"}, "batch": {"error_threshold_percent": 100.0}}
    people.write_sql("SELECT * FROM VALUES ('mended', 'a'), ('waiting', 'a') AS t(id, plan)")
    people.api.script(Fault(poison=frozenset({"mended", "waiting"})))
    people.run()
    people.run(retry_held=True)
    assert letters_of(people) == ["mended", "mended", "waiting", "waiting"]
    # Of each record the newest letter is the one that a replay sends
    assert (drop_settled_letters(people.tables), letters_of(people)) == (2, ["mended", "waiting"])
    people.api.clear_faults()
    people.api.script(Fault(poison=frozenset({"waiting"})))
    replayed = replay_sync(people.config(), spark=people.spark, api_key=ApiKey(KEY), warehouse=people.warehouse)
    assert replayed.books.delivery.accepted == 1
    drop_settled_letters(people.tables)
    assert letters_of(people) == ["waiting"]
    now = SystemClock().now()
    for sync, before, dropped in (
        (people.name, now - timedelta(days=30), 0),
        ("another", now + timedelta(days=1), 0),
        (people.name, now + timedelta(days=1), 1),
    ):
        assert drop_old_letters(people.tables, sync, before) == dropped
    assert letters_of(people) == []


def letters_of(sync: Bench) -> list[str]:
    rows = sync.tables.read("dead_letters").where(F.col("sync") == sync.name).collect()
    return sorted(row["record_id"] for row in rows)


def test_resolved_alerts_go_with_the_history_and_their_numbers_are_not_used_again(people: Bench) -> None:
    people.sections = {"tables": {"database": "alerted"}}
    set_up_tables(people.tables)
    now = SystemClock().now()

    def event(number: int, change: str, days_ago: int) -> dict[str, Any]:
        at = now - timedelta(days=days_ago)
        return {"alert_id": f"{people.name}-low-{number}", "type": "low", "severity": "warning", "event": change} | {
            "message": "m",
            "sync": people.name,
            "at": at,
        }

    old = [event(1, "opened", 30), event(1, "resolved", 29), event(2, "opened", 28), event(2, "resolved", 27)]
    recent = [event(3, "opened", 26)]
    append_alert_events(people.tables, people.name, [*old, *recent], seen=None)
    assert drop_old_alerts(people.tables, now - timedelta(days=10)) == 2
    left = [AlertEvent(**row) for row in read_alert_events(people.tables, people.name)]
    assert [alert.alert_id for alert in left] == [f"{people.name}-low-3"]
    worse = Judgement("low", "critical", holds=True, message="m")
    opened = [change for change in changes([worse], left, sync=people.name, now=now) if change.event == "opened"]
    assert [change.alert_id for change in opened] == [f"{people.name}-low-4"]
