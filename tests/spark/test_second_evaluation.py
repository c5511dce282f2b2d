"""Tests a writer that evaluates the delivery twice, as a writer that samples its rows does.

Tasks refuse the second evaluation; where none can refuse it, the books notice it.
"""

from __future__ import annotations

import pytest
from pyspark.sql import DataFrame
from sync_bench import Bench, order_rows

from cio_spark.delivery import engine as delivery_engine
from cio_spark.errors import ExitStatus, SecondEvaluationError
from cio_spark.results import Tables


def append_behind_a_range_shuffle(patch: pytest.MonkeyPatch) -> None:
    """Make every append of statuses sample its rows first, as clustering on write may do."""
    append = Tables.append

    def sampled(tables: Tables, table: str, rows: DataFrame, **named: object) -> None:
        placed = rows.repartitionByRange(2, "record_id") if table == "record_status" else rows
        append(tables, table, placed, **named)  # type: ignore[arg-type]  # as they came

    patch.setattr(Tables, "append", sampled)


@pytest.mark.parametrize("engine", ["arrow", pytest.param("rdd", marks=pytest.mark.slow)])
def test_a_second_evaluation_is_refused_and_the_next_run_sends_the_wave_again_under_the_same_ids(
    orders: Bench, monkeypatch: pytest.MonkeyPatch, engine: str
) -> None:
    orders.sections = {"delivery": {"engine": engine}}
    orders.write_sql(order_rows(8))
    with monkeypatch.context() as patch:
        append_behind_a_range_shuffle(patch)
        with pytest.raises(SecondEvaluationError, match=r"in doubt.*cio-spark maintain"):
            orders.run()
    once = sorted(orders.api.received.message_ids())
    assert (len(once), orders.statuses()) == (8, [])
    again = orders.run()
    assert (again.books.delivery.accepted, again.books.balanced) == (8, True)
    assert sorted(orders.api.received.message_ids()) == sorted(once * 2)


def test_what_no_task_could_refuse_is_noticed_by_the_books(orders: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    class OnExecutorsThatSawNothing(delivery_engine.SingleEvaluation):
        def enter(self) -> int:
            from pyspark import TaskContext

            return TaskContext.get().stageId()  # type: ignore[union-attr]  # a task has one

    orders.write_sql(order_rows(8))
    append_behind_a_range_shuffle(monkeypatch)
    monkeypatch.setattr(delivery_engine, "SingleEvaluation", OnExecutorsThatSawNothing)
    result = orders.run()
    assert (orders.api.received.count(), result.books.delivery.accepted) == (16, 8)
    assert (result.exit_status, result.books.evaluated_again) == (ExitStatus.BOOKS_NOT_BALANCED, 8)
    assert "evaluated twice" in result.message
    assert {row["status"] for row in orders.statuses()} == {"accepted"}
