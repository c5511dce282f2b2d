"""Tests tables that another run is making at the same moment."""

from __future__ import annotations

from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from cio_spark.clock import FakeClock
from cio_spark.errors import RunCancelledError
from cio_spark.results import setup
from cio_spark.runtime.cancellation import Cancellation


class _NotEmptyError(Exception):
    """Stands for the error that Spark raises if the folder of a new table is not empty."""


class _Tables:
    """Imitates Delta 3.3 while another process writes the first commit of a table.

    At that moment there is no table, and the folder is not empty.
    """

    def __init__(self, looks: int) -> None:
        self._looks = looks
        self.asked = 0
        self.spark = SimpleNamespace(sql=self._create)

    def _create(self, _: str) -> None:
        raise _NotEmptyError("[DELTA_CREATE_TABLE_WITH_NON_EMPTY_LOCATION] the location is not empty")

    def exists(self, _: str) -> bool:
        self.asked += 1
        return self.asked >= self._looks

    def name(self, table: str) -> str:
        return table

    def location_clause(self, _: str) -> str:
        return ""


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    monkeypatch.setattr(setup, "_add_columns", lambda *_: ["reconciled"])


def test_a_table_that_another_run_is_making_is_waited_for() -> None:
    tables: Any = _Tables(looks=3)
    assert setup._create(tables, "alerts") == ["reconciled"]
    assert tables.asked == 3


def test_the_wait_for_other_runs_can_be_cancelled(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = FakeClock()
    cancellation = Cancellation(clock)
    at_work = SimpleNamespace(run_id="r1", owner="other:1", expires_at=clock.now() + timedelta(hours=1))
    monkeypatch.setattr(setup, "open_runs", lambda *_: [at_work])

    def raise_if_cancelled() -> None:
        if clock.seconds >= 10:
            cancellation.request()
        cancellation.raise_if_requested("it waited")

    tables: Any = _Tables(looks=0)
    with pytest.raises(RunCancelledError, match="nothing was sent"):
        setup._wait_for_other_runs(tables, ["alerts"], clock, lambda _: False, raise_if_cancelled)
    assert clock.seconds == 10


def test_a_folder_that_never_becomes_a_table_is_an_error() -> None:
    tables: Any = _Tables(looks=1000)
    with pytest.raises(_NotEmptyError):
        setup._create(tables, "alerts")
    assert 1 < tables.asked < 100
