"""Tests many faults in one run, under each `error_handling`.

The tables must say what the stand-in confirms, and the books must balance. The complete cross product is tested for a
partition: tests/unit/delivery/test_faults_and_settings.py.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any

import pytest
from pyspark.sql import functions as F
from sync_bench import Bench, order_rows

from cio_spark.errors import ExitStatus
from cio_spark.model import SyncResult
from cio_spark.standin import Fault

ROWS, BATCH = 400, 10
# Requests are sent one at a time, so that the n-th request is the n-th batch, or a retry or a part of a batch
ONE_BY_ONE: dict[str, Any] = {
    "max_batch_size": BATCH,
    "parallel_workers": 1,
    "timeout_seconds": 1,
    "strategy": "size_based",
}
FAULTS: dict[int, Fault] = {
    3: Fault(status=500),
    5: Fault(status=429, retry_after="0"),
    7: Fault(drop_connection="before_reading"),
    9: Fault(drop_connection="after_taking"),
    11: Fault(latency_seconds=30),
    13: Fault.bad_gateway_page(),
    15: Fault(status=502, keep_batch=True),
    17: Fault(status=408),
    19: Fault(status=503, retry_after="1"),
    21: Fault(status=204),
    22: Fault(trickle_body_seconds=0.1, body="x" * 60),
    23: Fault(endless_body=True),
    24: Fault(status=520, times=4),  # 4 is the number of tries of a batch
    29: Fault(status=400, error_shape="error"),  # requests 30 and 31 carry its halves
    32: Fault(status=413),  # requests 33 and 34 carry its halves
}
TRANSIENT = {
    "http_500": 10,
    "http_429": 10,
    "connection": 20,
    "timeout": 10,
    "http_502": 20,
    "http_408": 10,
    "http_503": 10,
}
TAKEN_UNSEEN = {"connection": 10, "timeout": 10, "http_502": 10}
"""Number of records, by code, that the stand-in took although the answer was lost or said otherwise."""


def run(orders: Bench, setting: str) -> SyncResult:
    orders.write_sql(order_rows(ROWS, customers=ROWS))
    orders.api.script(Fault(poison=frozenset({"c395"})))
    orders.api.script(*[replace(fault, after=number - 1, times=fault.times or 1) for number, fault in FAULTS.items()])
    result = orders.run(batch={**ONE_BY_ONE, "error_handling": setting})
    orders.api.clear_faults()
    return result


def check_against_the_api(orders: Bench, result: SyncResult, unseen: dict[str, int]) -> Counter[tuple[str, str | None]]:
    """Compare the tables with the stand-in, and return the number of records by status and code."""
    rows = orders.statuses(result.run_id)
    received = set(orders.api.received.message_ids())
    assert result.books.balanced
    assert len({row["record_id"] for row in rows}) == len(rows) == ROWS
    assert {row["message_id"] for row in rows if row["status"] == "accepted"} <= received
    taken = Counter(row["error_code"] for row in rows if row["status"] != "accepted" and row["message_id"] in received)
    assert taken == unseen
    assert received <= {row["message_id"] for row in rows}
    return Counter((row["status"], row["error_code"]) for row in rows)


def letters(orders: Bench) -> int:
    return orders.tables.read("dead_letters").where(F.col("sync") == orders.name).count()


@pytest.mark.parametrize(("setting", "dead"), [("retry_with_backoff", 1), ("dead_letter_queue", 11)])
def test_patience_heals_all_but_what_no_retry_can(orders: Bench, setting: str, dead: int) -> None:
    result = run(orders, setting)

    assert check_against_the_api(orders, result, unseen={}) == {
        ("accepted", None): 389,
        ("failed", "http_520"): 10,
        ("rejected", "http_400"): 1,
    }
    assert result.exit_status is ExitStatus.SUCCESS  # 2.75 % are under the threshold
    assert result.books.delivery.retries == 12
    assert set(orders.api.received.duplicates().values()) == {2}
    assert len(orders.api.received.duplicates()) == sum(TAKEN_UNSEEN.values())
    assert letters(orders) == dead


@pytest.mark.slow
def test_going_on_without_retries_fails_what_met_a_fault_and_the_next_run_sends_it_under_the_same_ids(
    orders: Bench,
) -> None:
    result = run(orders, "continue_on_error")

    found = check_against_the_api(orders, result, unseen=TAKEN_UNSEEN)
    assert {code: records for (status, code), records in found.items() if status == "failed"} == {
        **TRANSIENT,
        "http_520": 40,
    }
    assert (found["accepted", None], found["rejected", "http_400"]) == (269, 1)
    assert result.exit_status is ExitStatus.ERROR_THRESHOLD_EXCEEDED
    assert (result.books.delivery.retries, letters(orders)) == (0, 1)
    again = orders.run()
    assert (again.books.survey.unchanged, again.books.survey.held, again.books.delivery.accepted) == (269, 1, 130)
    assert again.books.balanced
    assert len(set(orders.api.received.message_ids())) == ROWS - 1
    assert len(orders.api.received.duplicates()) == sum(TAKEN_UNSEEN.values())


@pytest.mark.slow
def test_failing_fast_sends_nothing_after_the_first_failure_and_the_next_run_sends_the_rest(orders: Bench) -> None:
    result = run(orders, "fail_fast")

    assert check_against_the_api(orders, result, unseen={}) == {
        ("accepted", None): 10,
        ("failed", "http_500"): 10,
        ("not_attempted", "fail_fast"): 380,
    }
    assert result.exit_status is ExitStatus.FAIL_FAST
    assert [request["status"] for request in orders.api.received.requests() if request["items"]] == [200, 500]
    again = orders.run()
    assert (again.books.survey.unchanged, again.books.delivery.accepted) == (10, 390)
    assert orders.api.received.duplicates() == {}


def test_a_4xx_that_speaks_of_no_record_stops_the_run_holds_nothing_and_the_next_run_sends_the_rest(
    orders: Bench,
) -> None:
    batch = {**ONE_BY_ONE, "error_handling": "dead_letter_queue"}
    orders.write_sql(order_rows(60))
    orders.api.script(Fault(status=404, after=2))
    result = orders.run(batch=batch)

    assert Counter((row["status"], row["error_code"]) for row in orders.statuses(result.run_id)) == {
        ("accepted", None): 10,
        ("failed", "refused_by_api"): 10,
        ("not_attempted", "refused_by_api"): 40,
    }
    assert (result.exit_status, letters(orders)) == (ExitStatus.API_UNAVAILABLE, 0)
    assert "HTTP 404: 10 records" in result.message
    assert len(orders.api.received.requests()) == 3  # an empty one, an accepted one, a refused one
    orders.api.clear_faults()
    again = orders.run(batch=batch)
    assert (again.books.survey.unchanged, again.books.survey.held, again.books.delivery.accepted) == (10, 0, 50)
    assert orders.api.received.duplicates() == {}
