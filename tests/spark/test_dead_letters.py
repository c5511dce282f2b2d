"""What could not be delivered is kept with its payload, waits, and goes again under its own message id."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pyspark.sql import Row
from pyspark.sql import functions as F
from tests_support import KEY, Bench, order_rows

from cio_spark.config import ApiKey
from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult
from cio_spark.pipeline.replay import Letters, replay_sync
from cio_spark.standin import Fault

PATIENT: dict[str, Any] = {"batch": {"error_threshold_percent": 100.0, "retry_attempts": 0}}


def letters(bench: Bench) -> list[Row]:
    return bench.tables.read("dead_letters").where(F.col("sync") == bench.name).orderBy("record_id").collect()


def replay(bench: Bench, chosen: Letters | None = None, **sections: Any) -> SyncResult:
    return replay_sync(
        bench.config(**{**PATIENT, **sections}),
        spark=bench.spark,
        api_key=ApiKey(KEY),
        warehouse=bench.warehouse,
        letters=chosen,
    )


def test_rejected_and_invalid_records_become_dead_letters_and_a_replay_sends_the_rejected_ones(orders: Bench) -> None:
    orders.write_sql(order_rows(20) + " UNION ALL SELECT 'x', CAST(NULL AS STRING), 1D, timestamp_seconds(1700000100)")
    orders.api.script(Fault(poison=frozenset({"c3"})))
    result = orders.run(**PATIENT)
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
    # the invalid one is left out, and no failure of the replay
    assert again.exit_status is ExitStatus.SUCCESS
    assert again.books.balanced
    ids = {row["message_id"] for row in kept if row["message_id"]}
    assert ids <= set(orders.api.received.message_ids())
    assert orders.api.received.duplicates() == {}
    # what was delivered is not delivered twice
    once_more = replay(orders)
    assert (once_more.books.delivery.persisted, once_more.books.survey.superseded) == (0, 3)


def test_under_dead_letter_queue_failed_records_wait_for_their_replay(orders: Bench) -> None:
    orders.write_sql(order_rows(10))
    queue = {"batch": {**PATIENT["batch"], "error_handling": "dead_letter_queue"}}
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


def test_without_stored_payloads_only_hashes_are_kept_and_a_replay_says_so(orders: Bench) -> None:
    orders.write_sql(order_rows(5))
    orders.api.script(Fault(poison=frozenset({"c3"})))
    sections = {**PATIENT, "dead_letters": {"store_payloads": False}}
    orders.run(**sections)
    (letter,) = letters(orders)
    assert letter["payload"] is None
    assert letter["payload_hash"] is not None
    assert replay(orders).books.survey.held == 1


def overtaken_after_a_refusal(bench: Callable[..., Bench], **sections: Any) -> Bench:
    """An identify sync in which a person's older record was refused, and a newer one accepted since."""
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
    sync = overtaken_after_a_refusal(bench, **PATIENT)
    again = replay(sync)
    assert (again.books.survey.superseded, again.books.delivery.persisted) == (1, 0)
    tried = sync.run(retry_held=True, **PATIENT)
    assert (tried.books.survey.held, tried.books.delivery.persisted) == (1, 0)
    assert [message["payload"]["traits"]["plan"] for message in sync.api.received.by_person("p")] == ["new"]
