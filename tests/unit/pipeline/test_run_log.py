"""Tests what a run says in the log.

The counts of a wave are computed from counts of the whole run, and no word of the API is logged.
"""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from datetime import datetime, timezone
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict

from cio_spark.clock import FakeClock
from cio_spark.errors import ExitStatus, SyncAlreadyRunningError, TableError
from cio_spark.logs.events import FIELDS, Event
from cio_spark.model import Books, DeliveryCounts, DeliveryPlan, Reason, StateCounts
from cio_spark.pipeline.progress import DeliveryProgress
from cio_spark.pipeline.run_log import PROGRESS_EVERY_SECONDS, RunLog, configuration_hash
from cio_spark.results import Claim
from cio_spark.results.claimant import TakeOverReason
from cio_spark.results.claims import ClosedRun

NOON = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)
PLAN = DeliveryPlan(5, 2, 4, 4, 2, 0.1, 3, 500_000, 1.25, "rate", parallel_workers=8)


@pytest.fixture
def said() -> Iterator[list[dict[str, Any]]]:
    """Yield the events, as the user's structlog gets them."""
    events: list[dict[str, Any]] = []

    def keep(_: Any, level: str, entry: EventDict) -> str:
        assert tuple(entry) == ("run_id", "sync", *FIELDS[Event(entry["event"])], "event")
        events.append({"level": level, **entry})
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    yield events
    structlog.reset_defaults()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def log(clock: FakeClock) -> RunLog:
    return RunLog("orders", clock)


def counts(accepted: int, **codes: int) -> DeliveryCounts:
    return DeliveryCounts(
        accepted=accepted,
        rejected=sum(codes.values()),
        requests=accepted,
        codes=tuple(Reason("rejected", "validation", code, "", records) for code, records in codes.items()),
    )


def test_the_counts_of_a_wave_are_what_it_has_added_to_the_runs(
    log: RunLog, clock: FakeClock, said: list[dict[str, Any]]
) -> None:
    for wave, so_far in enumerate((counts(3, http_400=1), counts(8, http_400=1), counts(9, http_400=3, http_413=2))):
        log.wave_started(wave, 3, 5, PLAN)
        clock.seconds += 2.0
        log.wave_committed(wave)
        clock.seconds += 100.0
        log.counted(so_far)
        log.counted(so_far)
    committed = [event for event in said if event["event"] == "wave_committed"]
    assert [(event["wave"], event["accepted"], event["rejected"], event["seconds"]) for event in committed] == [
        (0, 3, 1, 2.0),
        (1, 5, 0, 2.0),
        (2, 1, 4, 2.0),
    ]
    failures = [(event["wave"], event["records"], event["failures"]) for event in said if "failures" in event]
    assert failures == [
        (0, 1, [{"status": "rejected", "category": "validation", "code": "http_400", "records": 1}]),
        (
            2,
            4,
            [
                {"status": "rejected", "category": "validation", "code": "http_400", "records": 2},
                {"status": "rejected", "category": "validation", "code": "http_413", "records": 2},
            ],
        ),
    ]


def test_a_committed_wave_that_cannot_be_counted_is_said_without_counts(
    log: RunLog, said: list[dict[str, Any]]
) -> None:
    log.wave_committed(0)
    log.counted(None)
    (event,) = said
    assert (event["event"], event["accepted"], event["wave"]) == ("wave_committed", None, 0)


def test_progress_is_said_every_ten_seconds(log: RunLog, clock: FakeClock, said: list[dict[str, Any]]) -> None:
    log.wave_started(1, 2, 50, PLAN)
    clock.seconds = 0.3
    while clock.seconds < 45:
        done = int(clock.seconds)
        log.progressed(DeliveryProgress(100 + done, 150, done, 50, done // 10, 4, 1.25, 50.0 - done, "rate"))
        clock.seconds += 0.75
    progress = [(event["wave"], event["records_done"], event["tasks_done"], event["seconds"]) for event in said[1:]]
    # What is said late does not put off the next event
    assert progress == [(1, 10, 1, 10.05), (1, 20, 2, 20.55), (1, 30, 3, 30.3), (1, 40, 4, 40.05)]
    assert PROGRESS_EVERY_SECONDS == 10.0
    last = said[-1]
    assert (last["records"], last["records_per_second"], last["run_seconds_left"]) == (50, 1.25, 10.0)


def test_the_rate_and_the_time_left_may_be_unknown(log: RunLog, clock: FakeClock, said: list[dict[str, Any]]) -> None:
    log.wave_started(0, 1, 50, PLAN)
    clock.seconds = PROGRESS_EVERY_SECONDS
    log.progressed(DeliveryProgress(0, 50, 0, 50, 0, 4, None, None, "rate"))
    assert (said[-1]["records_per_second"], said[-1]["run_seconds_left"]) == (None, None)


def test_a_claim_says_from_whom_it_took_the_sync_over_and_why(log: RunLog, said: list[dict[str, Any]]) -> None:
    facts = {"source": "table shop.orders", "source_version": 7, "configuration": "{}", "package_version": "1"}
    closed = tuple(ClosedRun(f"r{number}", reason, NOON, NOON) for number, reason in enumerate(TakeOverReason))
    claim = Claim("r9", "orders", (), NOON, facts, closed)
    log.claimed(claim, job_attempt="1/sync/2", take_over=False, lease_seconds=180.0)
    log.taken_over(3)
    assert {(event["run_id"], event["sync"]) for event in said} == {("r9", "orders")}
    reasons = [event["reason"] for event in said if event["event"] == "claim_took_over"]
    assert reasons == ["told", "owner_dead", "claim_expired", "later_try"]
    started, lost = said[-2], said[-1]
    assert (started["source"], started["source_version"], started["package_version"]) == ("table shop.orders", 7, "1")
    assert started["configuration_hash"] == configuration_hash("{}") != configuration_hash("{ }")
    assert (lost["event"], lost["wave"], lost["level"]) == ("claim_lost", 3, "error")


def test_what_keeps_a_run_from_starting_is_said_before_it_has_an_id(log: RunLog, said: list[dict[str, Any]]) -> None:
    refused = SyncAlreadyRunningError("sync orders is already running", "r1")
    log.not_started(refused)
    log.not_started(TableError("no such table"))
    held, failed = said
    assert (held["event"], held["holder_run_id"], held["error"]) == ("claim_refused", "r1", str(refused))
    assert (failed["event"], failed["error_type"], failed["exit_status"]) == ("run_not_started", "TableError", 2)
    assert {event["run_id"] for event in said} == {None}
    again = pickle.loads(pickle.dumps(refused))
    assert (str(again), again.holder) == ("sync orders is already running", "r1")


@pytest.mark.parametrize(
    ("status", "level"), [(ExitStatus.SUCCESS, "info"), (ExitStatus.ERROR_THRESHOLD_EXCEEDED, "error")]
)
def test_the_end_has_all_counts_of_the_books(
    log: RunLog, said: list[dict[str, Any]], status: ExitStatus, level: str
) -> None:
    books = Books(StateCounts(source_rows=20, unchanged=3, held=2), counts(8, http_400=1), not_started=4, in_doubt=2)
    log.ended(status, "well", books, seconds=3.0, delivery_seconds=1.0, phases={"check": 0.12345})
    (event,) = said
    assert event["level"] == level
    states = ("accepted", "rejected", "unchanged", "held", "not_started", "in_doubt", "failed", "superseded")
    assert [event[name] for name in states] == [8, 1, 3, 2, 4, 2, 0, 0]
    assert (event["source_rows"], event["balanced"], event["phases"]) == (20, True, {"check": 0.123})


def test_an_end_without_books_has_no_counts(log: RunLog, said: list[dict[str, Any]]) -> None:
    log.ended(ExitStatus.INTERNAL_ERROR, "RuntimeError", None, seconds=3.0, delivery_seconds=0.0, phases={})
    (event,) = said
    assert (event["source_rows"], event["accepted"], event["balanced"]) == (None, None, None)
