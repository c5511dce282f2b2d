"""Tests that records which could not be delivered become dead letters.

They are kept with their payload, wait, and are sent again under their own message ids.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pyspark.sql import Row
from pyspark.sql import functions as F
from sync_bench import KEY, ROWS_OF_WAVES, SMALL_WAVES, Bench, fail_in_the_second_wave, order_rows, staged, wave_of

from cio_spark.config import ApiKey
from cio_spark.errors import CioSparkError, ExitStatus
from cio_spark.model import SyncResult
from cio_spark.pipeline.replay import Letters, replay_sync
from cio_spark.results import set_up_tables
from cio_spark.schemas import DEAD_LETTERS, struct_of
from cio_spark.standin import Fault

STRATEGIES_WITH_RETRIES: dict[str, Any] = {"batch": {"error_threshold_percent": 100.0, "retry_attempts": 0}}


def letters(bench: Bench) -> list[Row]:
    return bench.tables.read("dead_letters").where(F.col("sync") == bench.name).orderBy("record_id").collect()


def replay(bench: Bench, chosen: Letters | None = None, **sections: Any) -> SyncResult:
    return replay_sync(
        bench.config(**{**STRATEGIES_WITH_RETRIES, **sections}),
        spark=bench.spark,
        api_key=ApiKey(KEY),
        warehouse=bench.warehouse,
        letters=chosen,
    )


def test_rejected_and_invalid_records_become_dead_letters_and_a_replay_sends_the_rejected_ones(orders: Bench) -> None:
    orders.write_sql(order_rows(20) + " UNION ALL SELECT 'x', CAST(NULL AS STRING), 1D, timestamp_seconds(1700000100)")
    orders.api.script(Fault(poison=frozenset({"c3"})))
    result = orders.run(**STRATEGIES_WITH_RETRIES)
    assert (result.books.delivery.rejected, result.books.delivery.invalid) == (3, 1)
    assert result.books.delivery.accepted == 17
    assert result.books.balanced
    kept = letters(orders)
    assert [(row["record_id"], row["status"]) for row in kept] == [
        ("o10", "rejected"),
        ("o17", "rejected"),
        ("o3", "rejected"),
        ("x", "invalid"),
    ]
    assert all('"event":"Order Placed"' in row["payload"] for row in kept)
    orders.api.clear_faults()
    again = replay(orders, batch={"retry_attempts": 0})
    assert (again.books.delivery.accepted, again.books.survey.held) == (3, 1)
    # the invalid letter is left out, and is no failure of the replay
    assert again.exit_status is ExitStatus.SUCCESS
    assert again.books.balanced
    ids = {row["message_id"] for row in kept if row["message_id"]}
    assert ids <= set(orders.api.received.message_ids())
    assert orders.api.received.duplicates() == {}
    # a letter that was delivered is not delivered twice
    once_more = replay(orders)
    assert (once_more.books.delivery.persisted, once_more.books.survey.superseded) == (0, 3)


@pytest.mark.slow
def test_under_dead_letter_queue_failed_records_wait_for_their_replay(orders: Bench) -> None:
    orders.write_sql(order_rows(10))
    queue: dict[str, Any] = {"batch": {**STRATEGIES_WITH_RETRIES["batch"], "error_handling": "dead_letter_queue"}}
    orders.api.script(Fault(status=503, after=1, times=100))
    orders.run(**queue)
    orders.api.clear_faults()
    failed = len(letters(orders))
    assert failed > 0
    assert orders.run(**queue).books.survey.held == failed
    one = letters(orders)[0]["record_id"]
    assert replay(orders, Letters(record=one), **queue).books.delivery.accepted == 1
    assert replay(orders, Letters(category="server"), **queue).books.delivery.accepted == failed - 1
    assert orders.api.received.count() == 10


@pytest.mark.slow
def test_without_stored_payloads_only_hashes_are_kept_and_a_replay_says_so(orders: Bench) -> None:
    orders.write_sql(order_rows(5))
    orders.api.script(Fault(poison=frozenset({"c3"})))
    sections = {**STRATEGIES_WITH_RETRIES, "dead_letters": {"store_payloads": False}}
    orders.run(**sections)
    (letter,) = letters(orders)
    assert letter["payload"] is None
    assert letter["payload_hash"] is not None
    assert replay(orders).books.survey.held == 1


def overtaken_after_a_refusal(bench: Callable[..., Bench], **sections: Any) -> Bench:
    """Return an identify sync in which a person's older record was refused, and a newer one was accepted since."""
    sync = bench(
        {
            "call": "identify",
            "record_id": "id",
            "user_id": "person",
            "timestamp": "at",
            "traits": {"include": ["plan"]},
        }
    )
    first = "SELECT 'r1' AS id, 'p' AS person, 'old' AS plan, timestamp_seconds(1000) AS at"
    sync.write_sql(first)
    sync.api.script(Fault(poison=frozenset({"p"})))
    assert sync.run(**sections).books.delivery.rejected == 1
    sync.api.clear_faults()
    sync.write_sql(first + " UNION ALL SELECT 'r2', 'p', 'new', timestamp_seconds(2000)")
    assert sync.run(**sections).books.delivery.accepted == 1
    return sync


def test_neither_a_replay_nor_retry_held_sends_state_older_than_what_was_accepted(bench: Callable[..., Bench]) -> None:
    sync = overtaken_after_a_refusal(bench, **STRATEGIES_WITH_RETRIES)
    again = replay(sync)
    assert (again.books.survey.superseded, again.books.delivery.persisted) == (1, 0)
    tried = sync.run(retry_held=True, **STRATEGIES_WITH_RETRIES)
    assert (tried.books.survey.held, tried.books.delivery.persisted) == (1, 0)
    assert [message["payload"]["traits"]["plan"] for message in sync.api.received.by_person("p")] == ["new"]


def write_letters(bench: Bench, count: int, persons: int) -> None:
    """Write dead letters of an identify sync, as an earlier run would have left them."""
    set_up_tables(bench.tables)
    said = bench.spark.range(count).selectExpr(
        "'01AAAAAAAAAAAAAAAAAAAAAAAA' AS run_id",
        f"'{bench.name}' AS sync",
        "concat('r', id) AS record_id",
        "concat('0000000000', lpad(id, 16, '0')) AS message_id",
        f"""concat('{{"type":"identify","userId":"p', id % {persons}, '","traits":{{"plan":"', id, '"}}}}') """
        "AS payload",
        "'server' AS error_category",
        "'failed' AS status",
        f"concat('p', id % {persons}) AS person_key",
        "id AS payload_hash",
        "timestamp_seconds(1700000000 + id) AS occurred_at",
    )
    fields = struct_of(DEAD_LETTERS).fields
    columns = [F.col(item.name) if item.name in said.columns else F.lit(None).alias(item.name) for item in fields]
    rows = said.select(*[column.cast(item.dataType) for column, item in zip(columns, fields, strict=True)])
    bench.tables.append("dead_letters", rows.toDF(*struct_of(DEAD_LETTERS).fieldNames()))


@pytest.mark.slow
def test_a_replay_goes_in_waves_and_where_one_fails_only_that_one_is_in_doubt(
    people: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_letters(people, ROWS_OF_WAVES, persons=60)
    people.write_sql("SELECT 'x' AS id, 'a' AS plan")
    with monkeypatch.context() as broken:
        fail_in_the_second_wave(broken)
        with pytest.raises(CioSparkError):
            replay(people, batch=SMALL_WAVES["batch"], delivery=SMALL_WAVES["delivery"])
    (failed,) = people.tables.read("sync_run_state").where(F.col("sync") == people.name).collect()
    first = people.api.received.count()
    assert failed["accepted"] == first > 0
    assert failed["in_doubt"] > 0
    assert failed["not_started"] == ROWS_OF_WAVES - first - failed["in_doubt"] > 0
    assert len(staged(people)) == 1
    # The next sync recovers the replay that failed, and removes what the replay had staged
    assert people.run().books.delivery.accepted == 1
    assert staged(people) == []

    again = replay(people, batch=SMALL_WAVES["batch"], delivery=SMALL_WAVES["delivery"])

    assert again.books.balanced
    assert (again.books.survey.superseded, again.books.delivery.accepted) == (first, ROWS_OF_WAVES - first)
    assert again.exit_status is ExitStatus.SUCCESS
    assert people.api.received.count() == ROWS_OF_WAVES + 1
    assert people.api.received.duplicates() == {}
    assert not people.api.traffic.overlapping_persons
    waves: dict[str, set[int]] = {}
    for row in people.statuses(again.run_id):
        waves.setdefault(row["person_key"], set()).add(wave_of(row["batch_id"]))
    assert all(len(of_person) == 1 for of_person in waves.values())
    assert len(set.union(*waves.values())) > 1
    for person in range(60):
        plans = [int(message["payload"]["traits"]["plan"]) for message in people.api.received.by_person(f"p{person}")]
        assert plans == sorted(plans)
        assert len(plans) == ROWS_OF_WAVES // 60
    assert staged(people) == []
