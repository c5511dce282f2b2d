"""Two runs of one sync whose times overlap in spite of the claim: what is older never goes over what is newer."""

from __future__ import annotations

from typing import Any

import pytest
from pyspark.sql import functions as F
from tests_support import ROWS_OF_WAVES as ROWS
from tests_support import SMALL_WAVES, Bench, order_rows

from cio_spark.clock import SystemClock
from cio_spark.errors import ExitStatus, SyncAlreadyRunningError
from cio_spark.pipeline import run as pipeline_run
from cio_spark.pipeline import waves as pipeline_waves
from cio_spark.results import RunEnd, end_run


def test_a_run_that_claims_after_another_one_reads_the_source_no_older_than_that_one(
    people: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    people.write_sql("SELECT 'p' AS id, 'old' AS plan")
    check = pipeline_run.check_api

    def while_another_run_comes_and_goes(*arguments: Any) -> None:
        monkeypatch.setattr(pipeline_run, "check_api", check)
        people.write_sql("SELECT 'p' AS id, 'new' AS plan")
        assert people.run().books.delivery.accepted == 1
        check(*arguments)

    monkeypatch.setattr(pipeline_run, "check_api", while_another_run_comes_and_goes)
    slow = people.run()
    assert (slow.books.survey.unchanged, slow.books.delivery.persisted) == (1, 0)
    assert [message["payload"]["traits"]["plan"] for message in people.api.received.by_person("p")] == ["new"]


def test_a_run_whose_claim_another_one_has_taken_over_sends_no_further_wave(
    orders: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    orders.write_sql(order_rows(ROWS, customers=60))
    deliver = pipeline_waves._deliver

    def deliver_and_lose_the_claim(config: Any, tables: Any, wave: Any, run_id: str, *rest: Any) -> None:
        deliver(config, tables, wave, run_id, *rest)
        end_run(tables, RunEnd(run_id, orders.name, SystemClock().now(), "lost", None, "another run took over"))

    with monkeypatch.context() as late:
        late.setattr(pipeline_waves, "_deliver", deliver_and_lose_the_claim)
        with pytest.raises(SyncAlreadyRunningError, match="was taken over by another run"):
            orders.run(**SMALL_WAVES)
    first_wave = orders.api.received.count()
    assert 0 < first_wave < ROWS
    assert orders.tables.read("record_status").where(F.col("sync") == orders.name).count() == first_wave
    again = orders.run(**SMALL_WAVES)
    assert (again.exit_status, again.books.survey.unchanged) == (ExitStatus.SUCCESS, first_wave)
    assert orders.api.received.count() == ROWS
    assert orders.api.received.duplicates() == {}
