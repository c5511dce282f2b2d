"""Tests that a retry of a Databricks task does not hide how the try before it has ended."""

from __future__ import annotations

import pickle
import re
from datetime import datetime, timezone
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from cio_spark import results
from cio_spark.clock import FakeClock
from cio_spark.errors import EarlierTryError, ExitStatus
from cio_spark.pipeline.retry_guard import RETRY_HELPS, check_earlier_tries
from cio_spark.pipeline.run_context import RunContext
from cio_spark.results.run_states import RunState, fold_events
from cio_spark.runtime.cancellation import Cancellation

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
MONITOR_ONLY = {ExitStatus.MONITOR_WARNING, ExitStatus.MONITOR_CRITICAL}
FINAL = sorted(set(ExitStatus) - RETRY_HELPS)


def ended(run_id: str, exit_status: int | None, attempt: str | None = "7/sync/1/0") -> list[RunState]:
    """Return a run as its events tell of it; without an exit status it died."""
    common = {"run_id": run_id, "sync": "orders", "at": NOON, "committed_at": NOON}
    events = [{**common, "event": "started", "job_attempt": attempt, "kind": "sync"}]
    status = "lost" if exit_status is None else "failed"
    return fold_events([*events, {**common, "event": "ended", "status": status, "exit_status": exit_status}])


@pytest.mark.parametrize("exit_status", FINAL)
def test_a_retry_ends_as_the_try_before_it_did(exit_status: ExitStatus) -> None:
    with pytest.raises(EarlierTryError, match=f"run R1, ended with exit status {int(exit_status)}") as raised:
        check_earlier_tries("7/sync/2/0", ended("R1", exit_status))
    assert raised.value.exit_status is exit_status
    again = pickle.loads(pickle.dumps(raised.value))
    assert (again.exit_status, str(again)) == (exit_status, str(raised.value))


def test_the_statuses_of_rejected_rows_a_refused_key_and_wrong_books_are_final() -> None:
    assert set(FINAL) - MONITOR_ONLY >= {2, 3, 4, 5, 7}


def test_the_documentation_lists_the_statuses_after_which_a_retry_goes_on() -> None:
    page = (Path(__file__).parents[3] / "docs" / "reliability.md").read_text(encoding="utf-8")
    (listed,) = re.findall(r"unless that died or was ([\d, or]+)\.", page)
    assert {int(number) for number in re.findall(r"\d+", listed)} == RETRY_HELPS - {ExitStatus.SUCCESS}


@pytest.mark.parametrize("exit_status", [None, *sorted(RETRY_HELPS)])
def test_a_retry_goes_on_after_a_try_that_died_or_met_an_outage(exit_status: int | None) -> None:
    check_earlier_tries("7/sync/2/0", ended("R1", exit_status))


@pytest.mark.parametrize(
    ("mine", "other"),
    [
        (None, "7/sync/1/0"),
        ("7/sync/2/0", None),
        ("8/sync/2/0", "7/sync/1/0"),
        ("7/sync/2/1", "7/sync/1/0"),  # a repair, which somebody has asked for
        ("7/sync/1/0", "7/sync/1/0"),
    ],
)
def test_only_a_retry_of_this_very_task_is_refused(mine: str | None, other: str | None) -> None:
    check_earlier_tries(mine, ended("R1", ExitStatus.ERROR_THRESHOLD_EXCEEDED, other))


def test_a_try_between_that_died_hides_nothing_and_the_newest_status_counts() -> None:
    runs = [
        *ended("R1", ExitStatus.FAIL_FAST, "7/sync/1/0"),
        *ended("R2", ExitStatus.ERROR_THRESHOLD_EXCEEDED, "7/sync/2/0"),
        *ended("R3", None, "7/sync/3/0"),
    ]
    with pytest.raises(EarlierTryError) as raised:
        check_earlier_tries("7/sync/4/0", runs)
    assert raised.value.exit_status is ExitStatus.ERROR_THRESHOLD_EXCEEDED


def test_every_run_looks_at_earlier_tries_before_it_claims_its_sync(monkeypatch: pytest.MonkeyPatch) -> None:
    runs = ended("R1", ExitStatus.ERROR_THRESHOLD_EXCEEDED)
    opening: Any = SimpleNamespace(history=SimpleNamespace(runs=runs), newest=None)
    monkeypatch.setattr(results, "read_claims", lambda *_, **__: opening)
    run = object.__new__(RunContext)
    run.__dict__.update(tables=None, clock=FakeClock(), config=SimpleNamespace(sync=SimpleNamespace(name="orders")))
    run.__dict__.update(cancellation=Cancellation())
    run.__dict__.update(_same_workspace=False, _claimant=results.Claimant("me", job_attempt="7/sync/2/0"))
    with pytest.raises(EarlierTryError):
        run.read_claims()
    run.__dict__.update(_claimant=results.Claimant("me", job_attempt="7/sync/2/1"))
    assert run.read_claims() is opening
