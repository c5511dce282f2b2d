"""The exit status says what happened, worst first."""

from __future__ import annotations

from typing import Any

import pytest

from cio_spark.commands import worst
from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import Books, DeliveryCounts, Reason, StateCounts
from cio_spark.verdict import judge


def config(call: str = "identify", **batch: Any) -> SyncConfig:
    payload = {"call": call, "record_id": "id", "user_id": "id"}
    return SyncConfig.model_validate(
        {"sync": {"name": "s"}, "source": {"table": "t"}, "payload": payload, "batch": batch}
    )


def books(source_rows: int, *reasons: Reason, **delivery: int) -> Books:
    return Books(StateCounts(source_rows=source_rows), DeliveryCounts(reasons=tuple(reasons), **delivery))


def failure(category: str) -> Reason:
    return Reason("failed", category, "x", "what the API said", 1)


@pytest.mark.parametrize(
    ("made", "settings", "expected"),
    [
        (books(0), {}, ExitStatus.SUCCESS),
        (books(100, accepted=95, invalid=5), {}, ExitStatus.SUCCESS),
        (books(100, accepted=94, invalid=6), {}, ExitStatus.ERROR_THRESHOLD_EXCEEDED),
        (books(100, accepted=99), {}, ExitStatus.BOOKS_NOT_BALANCED),
        (books(100, accepted=101), {}, ExitStatus.BOOKS_NOT_BALANCED),
        (books(2, failure("authentication"), accepted=1, failed=1), {}, ExitStatus.KEY_REFUSED),
        (books(2, failure("network"), failed=2), {}, ExitStatus.API_UNAVAILABLE),
        (books(2, failure("network"), accepted=1, failed=1), {}, ExitStatus.ERROR_THRESHOLD_EXCEEDED),
        (
            books(2, failure("server"), accepted=1, failed=1),
            {"error_handling": "fail_fast"},
            ExitStatus.FAIL_FAST,
        ),
        (books(1000, failure("server"), accepted=999, failed=1), {}, ExitStatus.SUCCESS),
        (
            books(1000, failure("server"), accepted=999, failed=1),
            {"call": "suppress"},
            ExitStatus.ERROR_THRESHOLD_EXCEEDED,
        ),
    ],
)
def test_the_status_of_a_run_follows_from_its_books(made: Books, settings: Any, expected: ExitStatus) -> None:
    status, message = judge(config(**settings), made)
    assert status is expected
    assert message


def test_unchanged_rows_do_not_dilute_the_error_rate() -> None:
    made = Books(StateCounts(source_rows=1000, unchanged=990), DeliveryCounts(accepted=9, invalid=1))
    assert made.error_rate_percent == pytest.approx(10.0)


def test_of_several_syncs_the_worst_counts() -> None:
    assert (
        worst([ExitStatus.SUCCESS, ExitStatus.KEY_REFUSED, ExitStatus.ERROR_THRESHOLD_EXCEEDED])
        is ExitStatus.KEY_REFUSED
    )
    assert worst([]) is ExitStatus.SUCCESS
