"""Tests tables that another run is making at the same moment."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cio_spark.results import setup


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


def test_a_folder_that_never_becomes_a_table_is_an_error() -> None:
    tables: Any = _Tables(looks=1000)
    with pytest.raises(_NotEmptyError):
        setup._create(tables, "alerts")
    assert 1 < tables.asked < 100
