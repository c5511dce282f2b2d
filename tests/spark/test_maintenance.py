"""Maintenance drops history, and never a record's last state."""

from __future__ import annotations

from datetime import timedelta

from tests_support import Bench

from cio_spark.clock import SystemClock
from cio_spark.results import maintain_tables


def test_old_history_goes_and_the_ledger_still_knows_every_record(people: Bench) -> None:
    people.sections = {"tables": {"database": "maintained"}}  # whose tables are no larger than they need be
    for plan in ("a", "b"):
        people.write_sql(f"SELECT id, IF(id = 'p1', '{plan}', 'x') AS plan FROM VALUES ('p1'), ('p2') AS t(id)")
        people.run()
    assert len(people.statuses()) == 3
    left_behind = people.warehouse / "maintained" / "staging_00000000000000000000000000_rows"
    left_behind.mkdir()
    lines = maintain_tables(people.tables, keep_days=1, now=SystemClock().now() + timedelta(days=2))
    assert [row["record_id"] for row in people.statuses()] == ["p2", "p1"]
    assert not left_behind.exists()
    assert any("staging" in line for line in lines)
    again = people.run()
    assert again.books.survey.unchanged == 2
    assert again.books.balanced
    assert people.api.received.count() == 3
