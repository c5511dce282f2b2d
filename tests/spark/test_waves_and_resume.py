"""Tests that a run in waves loses nothing, whatever ends it, and that the books balance each time.

test_signals.py tests the signals.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
from pyspark.sql import DataFrame
from pyspark.sql import functions as F
from sync_bench import ROWS_OF_WAVES as ROWS
from sync_bench import SMALL_WAVES, Bench, fail_in_the_second_wave, order_rows, staged, wave_of

from cio_spark import results, runtime
from cio_spark.errors import CioSparkError, ExitStatus, ExpressionError, RunInterruptedError, TableError
from cio_spark.pipeline import run as pipeline_run
from cio_spark.pipeline import waves as pipeline_waves
from cio_spark.results import Staging
from cio_spark.standin import Fault


def waves_of(bench: Bench, run_id: str) -> dict[str, set[int]]:
    """Return the waves in which each person was sent."""
    found: dict[str, set[int]] = {}
    for row in bench.statuses(run_id):
        if row["batch_id"] is not None:
            found.setdefault(row["person_key"], set()).add(wave_of(row["batch_id"]))
    return found


def test_waves_send_every_row_once_and_split_no_person(orders: Bench) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    result = orders.run(**SMALL_WAVES)
    assert result.exit_status is ExitStatus.SUCCESS
    assert result.books.delivery.accepted == orders.api.received.count() == ROWS
    assert orders.api.received.duplicates() == {}
    persons = waves_of(orders, result.run_id)
    assert all(len(waves) == 1 for waves in persons.values())
    assert len({wave for waves in persons.values() for wave in waves}) > 2
    assert not orders.api.traffic.overlapping_persons
    for customer in range(60):
        times = [message["timestamp"] for message in orders.api.received.by_person(f"c{customer}")]
        assert times == sorted(times)
    assert staged(orders) == []


@pytest.mark.slow
def test_a_key_withdrawn_during_a_wave_stops_it_and_leaves_the_later_ones_not_started(orders: Bench) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    orders.api.script(Fault(status=401, after=8))
    first = orders.run(**SMALL_WAVES)
    assert first.exit_status is ExitStatus.KEY_REFUSED
    assert first.books.balanced
    assert first.books.not_started > 0
    assert first.books.delivery.not_attempted > 0
    assert first.books.delivery.accepted == orders.api.received.count() > 0
    refused = [request for request in orders.api.received.requests() if request["status"] == 401]
    assert first.plan is not None
    assert 1 <= len(refused) <= first.plan.partitions * first.plan.lanes
    orders.api.clear_faults()
    second = orders.run(**SMALL_WAVES)
    assert second.exit_status is ExitStatus.SUCCESS
    assert second.books.survey.unchanged == first.books.delivery.accepted
    assert orders.api.received.count() == ROWS
    assert orders.api.received.duplicates() == {}


def plans(bench: Bench, person: str) -> list[str]:
    return [message["payload"]["traits"]["plan"] for message in bench.api.received.by_person(person)]


def send_and_fail(monkeypatch: pytest.MonkeyPatch, *, dies: bool) -> None:
    """Let a run send its records and lose what became of them; `dies` says whether its process dies with that."""

    def send(_: Any, statuses: Any, **__: Any) -> None:
        statuses.write.format("noop").mode("overwrite").save()
        raise RuntimeError("an executor was lost")

    monkeypatch.setattr(results, "append_record_status", send)
    if dies:
        monkeypatch.setattr(pipeline_run, "fail_run", lambda *_: None)


def files_of_version(bench: Bench, version: int) -> list[Path]:
    """Return the files of the rows that a version of the source has; a vacuum deletes them after a week."""
    rows = bench.spark.read.format("delta").option("versionAsOf", version).load(str(bench.source))
    return [Path(unquote(urlsplit(file).path)) for file in rows.inputFiles()]


@pytest.mark.slow
def test_a_version_in_doubt_is_overwritten_even_if_the_source_went_back(
    people: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Check that Customer.io ends with A if A was accepted, B was sent but never confirmed, and A came back.

    What is held stays held.
    """

    def source(plan: str) -> str:
        return f"SELECT 'p' AS id, '{plan}' AS plan UNION ALL SELECT 'refused', 'bad'"

    people.write_sql("SELECT 'p' AS id, 'a' AS plan UNION ALL SELECT 'refused', 'a'")
    people.run()
    people.api.script(Fault(poison=frozenset({"refused"})))
    people.write_sql(source("a"))
    assert people.run().books.delivery.rejected == 1
    people.api.clear_faults()
    monkeypatch.setattr(runtime, "owner_is_dead", lambda _: True)
    for the_process_dies_too in (False, True):
        before = plans(people, "p")
        people.write_sql(source("b"))
        with monkeypatch.context() as broken:
            send_and_fail(broken, dies=the_process_dies_too)
            with pytest.raises(CioSparkError):
                people.run()
        assert plans(people, "p") == [*before, "b"]
        people.write_sql(source("a"))
        again = people.run()
        assert plans(people, "p") == [*before, "b", "a"]
        assert (again.books.survey.again, again.books.survey.held) == (1, 1)
        assert again.books.balanced
    settled = people.run()
    assert (settled.books.survey.unchanged, settled.books.survey.held) == (1, 1)


@pytest.mark.parametrize("dies", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_version_in_doubt_is_overwritten_even_if_the_source_version_with_it_is_gone(
    people: Bench, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    """Check that Customer.io ends with A also if the source version with B is vacuumed before the next run."""
    monkeypatch.setattr(runtime, "owner_is_dead", lambda _: True)
    first, second = [f"SELECT 'p' AS id, '{plan}' AS plan UNION ALL SELECT 'q', 'a'" for plan in "ab"]
    people.write_sql(first)
    people.run()
    people.write_sql(second)
    with monkeypatch.context() as broken:
        send_and_fail(broken, dies=dies)
        with pytest.raises(CioSparkError):
            people.run()
    assert plans(people, "p") == ["a", "b"]
    people.write_sql(first)
    for file in files_of_version(people, 1):
        file.unlink()
    recovering = people.run()
    assert recovering.books.balanced
    assert (recovering.books.survey.again, recovering.books.survey.unchanged) == (1, 1)
    assert plans(people, "p") == ["a", "b", "a"]
    assert people.api.received.duplicates() == {}
    assert people.run().books.survey.unchanged == 2


def test_a_wave_that_spark_fails_in_is_in_doubt_and_its_staging_goes_with_the_next_run(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    with monkeypatch.context() as broken:
        fail_in_the_second_wave(broken)
        with pytest.raises(CioSparkError):
            orders.run(**SMALL_WAVES)
    assert len(staged(orders)) == 1
    (run,) = orders.tables.read("sync_run_state").where(F.col("sync") == orders.name).collect()
    assert run["status"] == "failed"
    assert run["accepted"] == orders.api.received.count() > 0
    assert run["in_doubt"] > 0
    assert run["not_started"] == ROWS - run["accepted"] - run["in_doubt"] > 0
    second = orders.run(**SMALL_WAVES)
    assert second.books.balanced
    assert orders.api.received.count() == ROWS
    assert orders.api.received.duplicates() == {}
    assert staged(orders) == []


@pytest.mark.slow
def test_the_batches_of_a_lost_run_are_filled_in_by_the_settings_that_it_had(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(20))
    orders.api.script(Fault(poison=frozenset({"c3"})))
    then: dict[str, Any] = {
        "sync": {"priority": "high"},
        "batch": {"parallel_workers": 1, "strategy": "size_based", "error_threshold_percent": 50.0},
    }

    def fail(*_: Any, **__: Any) -> None:
        raise RuntimeError("out of memory")

    with monkeypatch.context() as broken:
        broken.setattr(results, "append_batch_operations", fail)
        with pytest.raises(CioSparkError):
            orders.run(**then)
    now: dict[str, Any] = {"sync": {"priority": "low"}, "batch": {"strategy": "adaptive"}}
    with monkeypatch.context() as broken:  # the next run fills in the batches, and dies before it can record that
        broken.setattr(results, "end_run", fail)
        with pytest.raises(CioSparkError):
            orders.run(**now)
    monkeypatch.setattr(runtime, "owner_is_dead", lambda _: True)
    assert orders.run(**now).books.delivery.persisted == 0
    batches = orders.tables.read("batch_operations").where(F.col("metadata")["sync"] == orders.name).collect()
    assert [
        (row["total_records"], row["status"], row["metadata"]["priority"], row["metadata"]["strategy"])
        for row in batches
    ] == [(20, "completed", "high", "size_based")]


def note_staged_records(monkeypatch: pytest.MonkeyPatch) -> list[DataFrame]:
    """Return a list to which every staging of classified records adds them."""
    stage, found = Staging.stage_records, []

    def stage_and_note(self: Staging, records: DataFrame) -> DataFrame:
        found.append(records)
        return stage(self, records)

    monkeypatch.setattr(Staging, "stage_records", stage_and_note)
    return found


@pytest.mark.parametrize(("share", "times"), [(0.0, 1), (1.0, 0)])
def test_a_single_wave_is_staged_where_its_records_took_long_to_find(
    orders: Bench, monkeypatch: pytest.MonkeyPatch, share: float, times: int
) -> None:
    orders.write_sql(order_rows(20, customers=5))
    found = note_staged_records(monkeypatch)
    monkeypatch.setattr(pipeline_waves, "MOST_OF_LEASE_UNSTAGED", share)
    result = orders.run()
    assert len(found) == times
    assert (result.books.balanced, result.books.delivery.accepted, orders.api.received.count()) == (True, 20, 20)
    assert staged(orders) == []


def test_a_single_wave_is_staged_where_it_sends_what_may_have_been_sent_in_another_version(
    people: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = note_staged_records(monkeypatch)
    counts = []
    for rows in ("('p', 'a')", "('p', 'a'), ('q', 'a')", "('p', 'b'), ('q', 'a')", "('p', 'b'), ('q', 'a')"):
        people.write_sql(f"SELECT * FROM VALUES {rows} AS t(id, plan)")
        assert people.run().exit_status is ExitStatus.SUCCESS
        counts.append(len(found))
    assert counts == [0, 0, 1, 1]
    assert staged(people) == []


@pytest.mark.parametrize(
    "error",
    [
        TableError("no permission to write the tables"),
        pytest.param(ExpressionError("a: fails"), marks=pytest.mark.slow),
    ],
)
def test_an_error_after_something_was_sent_is_no_error_before_anything_was(
    orders: Bench, error: CioSparkError, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    assert error.exit_status is ExitStatus.CONFIGURATION_ERROR
    with monkeypatch.context() as broken:
        fail_in_the_second_wave(broken, error)
        with pytest.raises(RunInterruptedError, match=f"{error}; the run had begun to send") as raised:
            orders.run(**SMALL_WAVES)
    assert raised.value.exit_status is ExitStatus.INTERNAL_ERROR
    (run,) = orders.tables.read("sync_run_state").where(F.col("sync") == orders.name).collect()
    assert (run["exit_status"], run["status"]) == (1, "failed")
    again = orders.run()
    assert again.books.balanced
    assert orders.api.received.duplicates() == {}
