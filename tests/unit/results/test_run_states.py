"""Tests how the events of a run are folded, and what a run may have left to others."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cio_spark.results.run_states import fold_events
from cio_spark.schemas import RUN_COUNTS

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)
RETRIED = ("failed", "not_attempted")


def event(name: str, run: str = "r1", minutes: int = 0, **fields: Any) -> dict[str, Any]:
    at = NOON + timedelta(minutes=minutes)
    return {"run_id": run, "sync": "s", "event": name, "at": at, "committed_at": at, **fields}


def books(**counts: int) -> dict[str, Any]:
    return dict.fromkeys(RUN_COUNTS, 0) | counts


@pytest.mark.parametrize(
    ("end", "left"),
    [
        ({"delivery_seconds": 1.0, **books(source_rows=3, accepted=3)}, False),
        ({"delivery_seconds": 1.0, **books(source_rows=3, failed=1)}, True),
        ({"delivery_seconds": 1.0, **books(source_rows=3, rejected=1)}, False),
        ({"delivery_seconds": 1.0, **books(source_rows=3, in_doubt=1)}, True),
        ({**books(source_rows=3, in_doubt=0)}, True),  # it has sent, and nobody has recovered it
        ({}, True),  # it has no books
    ],
)
def test_a_run_may_have_left_records_to_the_next_one(end: dict[str, Any], left: bool) -> None:
    (run,) = fold_events([event("started", run_number=1), event("ended", minutes=1, status="failed", **end)])
    assert run.may_have_left(RETRIED) is left


def test_a_run_with_one_row_has_the_number_of_the_claim_before_it() -> None:
    only = event("ended", kind="sync", run_number=4, delivery_seconds=0.0, status="succeeded", scope="none", **books())
    (run,) = fold_events([only])
    assert (run.run_number, run.status, run.ended, run.settled, run.scope) == (4, "succeeded", True, True, "none")
    assert not run.may_have_written
    assert not run.may_have_left(RETRIED)


def test_an_end_without_a_start_is_no_run() -> None:
    assert fold_events([event("ended", status="lost"), event("settled")]) == []
