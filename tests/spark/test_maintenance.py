"""Maintenance drops history, and never a record's last state."""

from __future__ import annotations

from datetime import timedelta

from sync_bench import Bench, staged

from cio_spark.clock import SystemClock
from cio_spark.results import maintain_tables
from cio_spark.results.sync_runs import append_events


def test_old_history_goes_and_the_ledger_still_knows_every_record(people: Bench) -> None:
    people.sections = {"tables": {"database": "maintained"}}  # whose tables are no larger than they need be
    for plan in ("a", "b"):
        people.write_sql(f"SELECT id, IF(id = 'p1', '{plan}', 'x') AS plan FROM VALUES ('p1'), ('p2') AS t(id)")
        people.run()
    assert len(people.statuses()) == 3
    now = SystemClock().now() + timedelta(days=2)
    # Of a run that nobody knows, of a dead one of a retired sync, of one that the next run may settle, of a living one
    unknown, retired, dead, living = (f"staging_{'0' * 25}{number}_rows" for number in range(4))
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
