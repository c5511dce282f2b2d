"""Tests the promises of a sync from both ends: what the API received, and what the tables say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from heard_progress import Heard
from pyspark.sql import SparkSession
from pyspark.sql import functions as F
from sync_bench import KEY, ORDERS, Bench, order_rows

from cio_spark.config import ApiKey
from cio_spark.delivery import deliver_partition, engine
from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult
from cio_spark.pipeline import run_sync
from cio_spark.standin import Fault, StandIn
from cio_spark.version import VERSION


@pytest.fixture(scope="module")
def delivered(spark: SparkSession, warehouse: Path) -> Iterator[tuple[Bench, SyncResult]]:
    """Run one sync, which several tests examine, and yield its bench and its result."""
    with StandIn(api_key=KEY) as api:
        orders = Bench(spark, warehouse, api, "delivered", ORDERS)
        orders.write_sql(order_rows(2500, customers=100))
        yield orders, orders.run(batch={"max_batch_size": 50, "parallel_workers": 4})


def test_every_row_arrives_once_and_the_tables_say_so(delivered: tuple[Bench, SyncResult]) -> None:
    orders, result = delivered
    received = orders.api.received
    assert result.exit_status is ExitStatus.SUCCESS
    assert result.books.delivery.accepted == received.count() == 2500
    assert result.books.balanced
    statuses = orders.statuses(result.run_id)
    assert {row["message_id"] for row in statuses} == set(received.message_ids())
    assert received.duplicates() == {}
    assert Counter(row["status"] for row in statuses) == {"accepted": 2500}
    assert received.over_limit().items == received.over_limit().bodies == 0
    # the events of each person came in the order in which they happened
    for customer in range(100):
        times = [message["timestamp"] for message in received.by_person(f"c{customer}")]
        assert len(times) == 25
        assert times == sorted(times)
    assert not orders.api.traffic.overlapping_persons


def test_the_delivery_runs_once_and_counts_every_batch(delivered: tuple[Bench, SyncResult]) -> None:
    orders, result = delivered
    batches = orders.tables.read("batch_operations").where(F.col("job_id") == result.run_id)
    row = batches.agg(
        F.sum("total_records").alias("total"),
        F.sum("processed_records").alias("accepted"),
        F.count("*").alias("batches"),
        F.countDistinct("batch_id").alias("ids"),
    ).collect()[0]
    assert (row["total"], row["accepted"]) == (2500, 2500)
    requests = [request for request in orders.api.received.requests() if request["items"]]
    assert row["batches"] == row["ids"] == len(requests) == result.books.delivery.requests
    assert orders.api.traffic.max_in_flight <= 4
    assert max(request["items"] for request in requests) <= 50


def test_counts_in_sync_runs_are_those_of_the_result(delivered: tuple[Bench, SyncResult]) -> None:
    orders, result = delivered
    (run,) = orders.tables.read("sync_run_state").where(F.col("run_id") == result.run_id).collect()
    assert (run["status"], run["exit_status"], run["source_rows"], run["accepted"]) == ("succeeded", 0, 2500, 2500)
    assert run["requests"] == result.books.delivery.requests
    assert run["package_version"] == VERSION
    assert run["ledger_version"] < orders.tables.version("record_status")


@pytest.mark.parametrize("watched", [True, pytest.param(False, marks=pytest.mark.slow)])
def test_a_delivery_tells_how_far_it_is_only_with_monitoring(orders: Bench, watched: bool) -> None:
    orders.write_sql(order_rows(10))
    orders.api.script(Fault(latency_seconds=3.0, times=10))
    heard = Heard()
    config = orders.config(batch={"enable_monitoring": watched})
    run_sync(config, spark=orders.spark, api_key=ApiKey(KEY), warehouse=orders.warehouse, progress=heard)
    assert [plan.records for plan in heard.plans] == [10]
    assert bool(heard.told) == watched


def test_a_second_run_sends_nothing(delivered: tuple[Bench, SyncResult]) -> None:
    orders, _ = delivered
    again = orders.run()
    assert again.books.survey.unchanged == 2500
    assert again.books.balanced
    assert again.books.delivery.persisted == 0
    assert orders.api.received.count() == 2500


@pytest.mark.classic("the engine is rdd")
def test_the_rdd_engine_delivers_the_same_and_writes_the_same_rows(orders: Bench) -> None:
    orders.write_sql(order_rows(300) + " UNION ALL SELECT 'x', CAST(NULL AS STRING), 1D, timestamp_seconds(1)")
    result = orders.run(delivery={"engine": "rdd"}, batch={"max_batch_size": 50})
    assert (result.books.delivery.accepted, result.books.delivery.invalid) == (300, 1)
    assert result.books.balanced
    assert orders.api.received.count() == 300
    statuses = orders.statuses(result.run_id)
    assert {row["batch"]["records"] <= 50 for row in statuses if row["batch"]} == {True}
    assert orders.run().books.survey.unchanged == 300


def test_a_changed_person_is_sent_again_and_a_changed_event_is_not(orders: Bench, people: Bench) -> None:
    orders.write_sql(order_rows(3))
    people.write_sql("SELECT concat('c', id) AS id, 'free' AS plan FROM range(3)")
    orders.run()
    people.run()
    orders.write_sql(order_rows(3) + " WHERE id <> 1 UNION ALL SELECT 'o1', 'c1', 99D, timestamp_seconds(1700000001)")
    people.write_sql("SELECT concat('c', id) AS id, IF(id = 1, 'paid', 'free') AS plan FROM range(4)")
    events, persons = orders.run(), people.run()
    assert (events.books.survey.unchanged, events.books.survey.changed_ignored) == (2, 1)
    assert (persons.books.survey.unchanged, persons.books.survey.changed, persons.books.survey.new) == (2, 1, 1)
    assert events.books.balanced
    assert persons.books.balanced
    assert [
        message["payload"]["traits"] for message in people.api.received.by_person("c1") if message["type"] == "identify"
    ] == [
        {"plan": "free"},
        {"plan": "paid"},
    ]


def test_a_payload_that_goes_from_a_to_b_and_back_to_a_is_sent_three_times_with_three_ids(people: Bench) -> None:
    for plan in ("a", "b", "a"):
        people.write_sql(f"SELECT 'p' AS id, '{plan}' AS plan")
        people.run()
    received = people.api.received.by_person("p")
    assert [message["payload"]["traits"]["plan"] for message in received] == ["a", "b", "a"]
    assert len({message["message_id"] for message in received}) == 3


BAD_ROWS = """
SELECT id, customer, event, note FROM VALUES
  ('ok', 'c1', 'Bought', 'fine'),
  (NULL, 'c1', 'Bought', 'fine'),
  ('no-person', '', 'Bought', 'fine'),
  ('no-event', 'c1', NULL, 'fine'),
  ('reserved', 'c1', 'user deleted', 'fine'),
  ('long-id', repeat('x', 151), 'Bought', 'fine'),
  ('long-event', 'c1', repeat('é', 51), 'fine'),
  ('long-value', 'c1', 'Bought', repeat('x', 1001)),
  ('emoji', 'c😀', 'Bought 🎉', '𠮷 and \\u0000'),
  ('longest-value', 'c1', 'Bought', repeat('x', 1000))
AS rows(id, customer, event, note)
"""


def bad_rows_sync(bench: Any) -> Bench:
    return bench(  # type: ignore[no-any-return]
        {
            "call": "track",
            "record_id": "id",
            "user_id": "customer",
            "event": "event",
            "properties": {
                "include": ["note"],
                "set": {"big": "IF(id = 'big', array_repeat(repeat('y', 900), 37), NULL)"},
            },
        }
    )


def test_bad_rows_are_refused_with_a_code_each_and_the_good_ones_arrive(bench: Any) -> None:
    sync = bad_rows_sync(bench)
    sync.write_sql(BAD_ROWS + "UNION ALL SELECT 'big', 'c1', 'Bought', 'fine'")
    result = sync.run(batch={"error_threshold_percent": 100.0})
    assert sync.status_of(result) == {
        "ok": "accepted",
        None: "missing_record_id",
        "no-person": "missing_identity",
        "no-event": "missing_event_name",
        "reserved": "reserved_event_name",
        "long-id": "id_too_long",
        "long-event": "event_name_too_long",
        "long-value": "value_too_long",
        "emoji": "accepted",
        "longest-value": "accepted",
        "big": "item_too_large",
    }
    assert result.books.balanced
    assert sync.api.received.count() == 3
    (emoji,) = sync.api.received.by_person("c😀")
    assert emoji["payload"]["properties"]["note"] == "𠮷 and \0"
    again = sync.run()
    assert (again.books.survey.held, again.books.survey.unchanged) == (8, 3)
    assert again.books.balanced
    assert sync.run(retry_held=True).books.delivery.invalid == 8


def test_only_invalid_rows_end_above_the_error_threshold_and_send_nothing(orders: Bench) -> None:
    orders.write_sql("SELECT 'o' AS id, CAST(NULL AS STRING) AS customer, 1D AS amount, now() AS at")
    result = orders.run()
    assert result.exit_status is ExitStatus.ERROR_THRESHOLD_EXCEEDED
    assert (result.books.delivery.invalid, orders.api.received.count()) == (1, 0)


@pytest.mark.parametrize("rows", [0, 1])
def test_an_empty_source_and_one_row_are_a_success(orders: Bench, rows: int) -> None:
    orders.write_sql(order_rows(rows))
    result = orders.run()
    assert result.exit_status is ExitStatus.SUCCESS
    assert result.books.delivery.accepted == orders.api.received.count() == rows


def test_of_duplicates_the_first_by_order_by_is_sent_and_the_others_are_superseded(people: Bench) -> None:
    people.write_sql("SELECT 'p' AS id, plan, v FROM VALUES ('old', 1), ('new', 3), ('mid', 2) AS t(plan, v)")
    everything = {**people.payload, "traits": {"include": "*", "except": ["id", "v"]}}
    result = people.run(payload=everything, source={"path": str(people.source), "order_by": ["v DESC"]})
    assert (result.books.survey.superseded, result.books.delivery.accepted) == (2, 1)
    assert result.books.balanced
    assert people.api.received.by_person("p")[0]["payload"]["traits"] == {"plan": "new"}


def test_queries_limits_and_conditions_choose_the_rows(orders: Bench) -> None:
    orders.write_sql(order_rows(20))
    query = f"SELECT * FROM delta.`{orders.source}` WHERE amount >= 10"
    result = orders.run(limit=4, source={"query": query, "where": "amount < 16 AND current_date() > '2000-01-01'"})
    assert result.books.survey.source_rows == result.books.delivery.accepted == 4
    assert {float(m["payload"]["properties"]["amount"]) for m in orders.api.received.all()} <= set(range(10, 16))
    assert not [folder for folder in (orders.warehouse / "tests").iterdir() if folder.name.startswith("staging")]


def test_a_partition_whose_output_is_lost_ends_in_exit_status_5(orders: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    orders.write_sql(order_rows(500, customers=100))

    def lose_partition_1(partition: int, rows: Any, settings: Any) -> Any:
        groups = deliver_partition(partition, rows, settings)
        return iter([]) if partition == 1 and list(groups) else groups

    monkeypatch.setattr(engine, "deliver_partition", lose_partition_1)
    result = orders.run(batch={"max_batch_size": 10})
    assert result.exit_status is ExitStatus.BOOKS_NOT_BALANCED
    assert result.books.accounted < 500
