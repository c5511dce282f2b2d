"""Tests which errors make a run give up the records of a lost run."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from cio_spark.pipeline import recovery_of_dead_runs
from cio_spark.pipeline.recovery_of_dead_runs import surveyed


def survey_that_fails(monkeypatch: pytest.MonkeyPatch, message: str) -> Any:
    """Compute the records of a lost run again, and fail with this message."""

    def fail(*_: Any) -> None:
        raise RuntimeError(message)

    monkeypatch.setattr(recovery_of_dead_runs, "_records_again", fail)
    unused: Any = None
    nothing_staged: Any = SimpleNamespace(records=lambda: None)
    return surveyed(unused, unused, unused, nothing_staged)


@pytest.mark.parametrize(
    "message",
    ["[SPARK_JOB_CANCELLED] Job 7 cancelled", "[OPERATION_CANCELED] Operation has been canceled. SQLSTATE: HY008"],
)
def test_a_recovery_whose_job_is_cancelled_is_left_to_the_next_run(
    monkeypatch: pytest.MonkeyPatch, message: str
) -> None:
    with pytest.raises(RuntimeError, match="cancel"):
        survey_that_fails(monkeypatch, message)


def test_rows_that_nobody_can_read_any_more_are_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    assert survey_that_fails(monkeypatch, "[DELTA_VERSION_NOT_FOUND] version 3 does not exist") is None
