"""Tests that reading Spark's metrics never fails, and takes little of the time."""

from __future__ import annotations

from typing import Any

import pytest

from cio_spark.clock import FakeClock
from cio_spark.spark.returned_rows import ReturnedRows


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_a_session_that_does_not_tell_its_metrics_is_no_failure(clock: FakeClock) -> None:
    rows = ReturnedRows(object(), "tag", {"MapInArrow"}, clock)  # type: ignore[arg-type]  # no session at all
    assert [rows.read(), rows.read()] == [None, None]


def test_the_last_known_number_stays_if_spark_fails(clock: FakeClock, monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [7, RuntimeError("the metrics are gone"), 9]

    def answer(_: ReturnedRows) -> int:
        found = answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return int(found)

    monkeypatch.setattr(ReturnedRows, "_read", answer)
    rows = ReturnedRows(object(), "tag", (), clock)  # type: ignore[arg-type]  # nothing reads it
    assert [rows.read(), rows.read(), rows.read()] == [7, 7, 9]


@pytest.mark.parametrize("fails", [False, True])
def test_reading_takes_at_most_a_twentieth_of_the_time(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch, fails: bool
) -> None:
    readings = []

    def slow(_: ReturnedRows) -> int:
        readings.append(clock.monotonic())
        clock.sleep(0.1)
        if fails:
            raise RuntimeError("closed to us")
        return 1

    monkeypatch.setattr(ReturnedRows, "_read", slow)
    rows = ReturnedRows(object(), "tag", (), clock)  # type: ignore[arg-type]  # nothing reads it
    while clock.monotonic() < 10:
        rows.read()
        clock.sleep(0.5)
    assert 3 <= len(readings) <= 5
