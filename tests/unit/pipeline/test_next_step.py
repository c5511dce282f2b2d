"""Tests what a run says about the next step: it depends on the strategy for errors and on the call."""

from __future__ import annotations

from typing import Any

import pytest

from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import Books, DeliveryCounts, StateCounts
from cio_spark.pipeline.next_step import NEXT_STEPS, decide_next_step

TRACK: dict[str, Any] = {"call": "track", "record_id": "id", "user_id": "customer", "event": {"value": "Paid"}}
SUPPRESS: dict[str, Any] = {"call": "suppress", "record_id": "id", "user_id": "customer"}
DEPENDS = (ExitStatus.SUCCESS, ExitStatus.ERROR_THRESHOLD_EXCEEDED)


def said(
    payload: dict[str, Any],
    *,
    strategy: str = "continue_on_error",
    status: ExitStatus = ExitStatus.ERROR_THRESHOLD_EXCEEDED,
    held: int = 0,
    **delivery: Any,
) -> str:
    config = SyncConfig.model_validate(
        {
            "sync": {"name": "orders"},
            "source": {"table": "shop.orders"},
            "payload": payload,
            "batch": {"error_handling": strategy},
        }
    )
    counts = StateCounts(source_rows=100, held=held)
    return decide_next_step(config, status, Books(counts, DeliveryCounts(**delivery)))


def test_what_has_failed_goes_with_the_next_run_and_is_not_replayed() -> None:
    step = said(TRACK, failed=5)
    assert "goes with the next run" in step
    assert "replay" not in step


def test_under_dead_letter_queue_what_has_failed_waits_for_a_replay() -> None:
    step = said(TRACK, strategy="dead_letter_queue", failed=5)
    assert "replay_sync" in step
    assert "goes with the next run" not in step


def test_a_suppression_that_has_failed_goes_again_whatever_the_strategy_is() -> None:
    step = said(SUPPRESS, strategy="dead_letter_queue", failed=5)
    assert "goes with the next run" in step
    assert "replay" not in step


def test_a_suppression_that_our_validation_refused_before_is_not_passed_over() -> None:
    assert "stay unsent" in said(SUPPRESS, status=ExitStatus.SUCCESS, held=2)
    assert said(TRACK, status=ExitStatus.SUCCESS, held=2).startswith("Nothing to do")


def test_each_kind_of_what_is_left_has_its_sentence() -> None:
    step = said(TRACK, strategy="dead_letter_queue", rejected=1, failed=1, not_attempted=1)
    for part in ("Records were refused", "waits for it in dead_letters", "was not sent goes with the next run"):
        assert part in step


@pytest.mark.parametrize("status", [status for status in ExitStatus if status not in DEPENDS])
def test_every_end_that_is_not_well_has_a_next_step_unless_no_run_ends_with_it(status: ExitStatus) -> None:
    if status in (ExitStatus.MONITOR_WARNING, ExitStatus.MONITOR_CRITICAL):
        assert status not in NEXT_STEPS
    else:
        assert said(TRACK, status=status, failed=1) == NEXT_STEPS[status]
