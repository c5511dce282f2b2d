"""A run in waves loses nothing, whatever stops it: the next run goes on, and the books balance each time."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from pyspark.sql import functions as F
from tests_support import ROWS_OF_WAVES as ROWS
from tests_support import SMALL_WAVES, Bench, order_rows, small_waves, wave_of

from cio_spark import results, runtime
from cio_spark.cancellation import Cancellation
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.pipeline import waves as pipeline_waves
from cio_spark.pipeline.frame import Frame
from cio_spark.standin import Fault


def waves_of(bench: Bench, run_id: str) -> dict[str, set[int]]:
    """Waves in which each person was sent."""
    found: dict[str, set[int]] = {}
    for row in bench.statuses(run_id):
        if row["batch_id"] is not None:
            found.setdefault(row["person_key"], set()).add(wave_of(row["batch_id"]))
    return found


def staged(bench: Bench) -> list[str]:
    return [folder.name for folder in (bench.warehouse / "tests").iterdir() if folder.name.startswith("staging")]


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


def test_a_key_refused_in_one_wave_leaves_the_later_waves_not_started(orders: Bench) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    orders.api.script(Fault(status=401, after=20))
    first = orders.run(**SMALL_WAVES)
    assert first.exit_status is ExitStatus.KEY_REFUSED
    assert first.books.balanced
    assert first.books.not_started > 0
    orders.api.clear_faults()
    second = orders.run(**SMALL_WAVES)
    assert second.exit_status is ExitStatus.SUCCESS
    assert second.books.survey.unchanged == first.books.delivery.accepted
    assert orders.api.received.count() == ROWS
    assert orders.api.received.duplicates() == {}


@pytest.mark.parametrize("grace_seconds", [60, 0])
def test_a_cancelled_run_counts_honestly_and_the_next_one_goes_on(orders: Bench, grace_seconds: int) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    # Without grace the wave must outlast the half second after which the delivery looks whether to end
    orders.api.script(Fault(latency_seconds=0.05 if grace_seconds else 0.6))
    cancellation = Cancellation()

    def cancel_soon() -> None:
        while orders.api.received.count() < 30:
            threading.Event().wait(0.05)
        cancellation.request()

    watcher = threading.Thread(target=cancel_soon, daemon=True)
    watcher.start()
    first = orders.run(cancellation=cancellation, **small_waves(grace_seconds))
    watcher.join()
    assert first.exit_status is ExitStatus.CANCELLED_SIGTERM
    assert first.books.balanced
    assert first.books.not_started > 0
    assert (first.books.in_doubt > 0) == (grace_seconds == 0)
    (run,) = orders.tables.read("sync_run_state").where(F.col("run_id") == first.run_id).collect()
    assert (run["status"], run["in_doubt"], run["not_started"]) == (
        "cancelled",
        first.books.in_doubt,
        first.books.not_started,
    )
    orders.api.clear_faults()
    second = orders.run(**SMALL_WAVES)
    assert second.exit_status is ExitStatus.SUCCESS
    assert second.books.survey.unchanged == first.books.delivery.accepted
    assert len(set(orders.api.received.message_ids())) == ROWS
    assert sum(count - 1 for count in orders.api.received.duplicates().values()) <= first.books.in_doubt
    assert staged(orders) == []


def plans(bench: Bench, person: str) -> list[str]:
    return [message["payload"]["traits"]["plan"] for message in bench.api.received.by_person(person)]


@pytest.mark.parametrize("how", ["spark fails", "the process dies"])
def test_a_version_in_doubt_is_overwritten_even_if_the_source_went_back(
    people: Bench, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    """A accepted, B sent but never confirmed, A again: Customer.io must end with A. What is held stays held."""

    def source(plan: str) -> str:
        return f"SELECT 'p' AS id, '{plan}' AS plan UNION ALL SELECT 'refused', 'bad'"

    people.write_sql("SELECT 'p' AS id, 'a' AS plan UNION ALL SELECT 'refused', 'a'")
    people.run()
    people.api.script(Fault(poison=frozenset({"refused"})))
    people.write_sql(source("a"))
    assert people.run().books.delivery.rejected == 1
    people.api.clear_faults()

    def send_and_fail(_: Any, statuses: Any, **__: Any) -> None:
        statuses.write.format("noop").mode("overwrite").save()
        raise RuntimeError("an executor was lost")

    people.write_sql(source("b"))
    with monkeypatch.context() as broken:
        broken.setattr(results, "append_record_status", send_and_fail)
        if how == "the process dies":
            broken.setattr(Frame, "fail", lambda *_: None)
        with pytest.raises(CioSparkError):
            people.run()
    assert plans(people, "p") == ["a", "b"]
    people.write_sql(source("a"))
    monkeypatch.setattr(runtime, "owner_is_dead", lambda _: True)
    again = people.run()
    assert plans(people, "p") == ["a", "b", "a"]
    assert (again.books.survey.again, again.books.survey.held) == (1, 1)
    assert again.books.balanced
    settled = people.run()
    assert (settled.books.survey.unchanged, settled.books.survey.held) == (1, 1)


def test_a_wave_that_spark_fails_in_is_in_doubt_and_its_staging_goes_with_the_next_run(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    deliver = pipeline_waves._deliver
    calls = iter(range(100))

    def fail_in_the_second(*arguments: Any) -> None:
        if next(calls) == 1:
            raise RuntimeError("out of memory")
        deliver(*arguments)

    with monkeypatch.context() as broken:
        broken.setattr(pipeline_waves, "_deliver", fail_in_the_second)
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
