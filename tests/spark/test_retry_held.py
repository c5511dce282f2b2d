"""Tests that `--retry-held` sends refused records again, in a wave of their own.

test_dead_letters.py tests that such a record never overwrites something newer.
"""

from __future__ import annotations

from typing import Any

import pytest
from sync_bench import Bench, order_rows, wave_of

from cio_spark.standin import Fault

STRATEGIES_WITH_RETRIES: dict[str, Any] = {"batch": {"error_threshold_percent": 100.0, "retry_attempts": 0}}


@pytest.mark.slow
def test_what_was_refused_goes_in_a_wave_of_its_own_with_all_records_of_its_persons(orders: Bench) -> None:
    orders.write_sql(order_rows(40, customers=20))
    orders.api.script(Fault(poison=frozenset({"c3"})))
    assert orders.run(**STRATEGIES_WITH_RETRIES).books.delivery.rejected == 2
    orders.write_sql(order_rows(50, customers=20))
    again = orders.run(retry_held=True, **STRATEGIES_WITH_RETRIES)
    assert (again.books.survey.retried, again.books.survey.new) == (2, 10)
    assert (again.books.delivery.accepted, again.books.delivery.rejected) == (9, 3)
    assert again.books.balanced
    waves = {row["record_id"]: wave_of(row["batch_id"]) for row in orders.statuses(again.run_id)}
    assert {record for record, wave in waves.items() if wave == 1} == {"o3", "o23", "o43"}
    assert {row["attempts"] for row in orders.statuses(again.run_id) if row["person_key"] != "c3"} == {1}
    orders.api.clear_faults()
    last = orders.run(retry_held=True, **STRATEGIES_WITH_RETRIES)
    assert (last.books.delivery.accepted, last.books.survey.unchanged) == (3, 47)
    assert orders.api.received.duplicates() == {}
