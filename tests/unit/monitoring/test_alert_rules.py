"""Tests alerts without tables.

Each condition opens its alert once and resolves it once; too little data changes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.monitoring import AlertEvent, Observed, RunFacts, Window, changes, judge_sync, open_alerts, status_of
from cio_spark.monitoring.health import Health

NOON = datetime(2026, 3, 1, 12, tzinfo=timezone.utc)


def minutes(count: float) -> datetime:
    return NOON + timedelta(minutes=count)


def config(call: str = "track", share_of_rate: float = 1.0, workers: int = 20, **monitoring: Any) -> SyncConfig:
    payload = {"call": call, "record_id": "id", "user_id": "id"}
    if call == "track":
        payload["event"] = "name"
    return SyncConfig.model_validate(
        {
            "sync": {"name": "s"},
            "source": {"table": "t"},
            "payload": payload,
            "api": {"share_of_rate": share_of_rate},
            "batch": {"rate_limit_rps": 60, "parallel_workers": workers},
            "monitoring": {"expected_every_minutes": 60, **monitoring},
        }
    )


def run(number: int, **changed: Any) -> RunFacts:
    usual = {"status": "succeeded", "started_at": minutes(-number), "exit_status": 0, "source_rows": 1000}
    return RunFacts(**{"run_id": f"r{9 - number}", "accounted_rows": 1000, "balanced": True, **usual, **changed})


BUSY = Window(
    batch_count=100,
    total_records=10_000,
    failed_records=0,
    max_processing_time_seconds=1.0,
    busy_seconds=20.0,
    requests=1000,
    requests_per_second=50.0,
    request_time_mean_seconds=0.08,
    run_id="r9",
    slowest_batch_id="b7",
)
WELL = Observed(NOON, minutes(-5), BUSY, tuple(run(number) for number in range(5)), dead_letters=3)


def window(**changed: Any) -> Observed:
    return replace(WELL, window=replace(BUSY, **changed))


def newest(**changed: Any) -> Observed:
    return replace(WELL, runs=(run(0, **changed), *WELL.runs[1:]))


def kinds(observed: Observed, **monitoring: Any) -> dict[str, str]:
    """Return the types of the alerts that hold, with their severities."""
    return {item.type: item.severity for item in judge_sync(observed, config(**monitoring)) if item.holds}


ILL = [
    ("high_error_rate", "critical", window(error_rate_percent=10.1)),
    ("slow_processing", "warning", window(max_processing_time_seconds=60.1)),
    ("low_throughput", "warning", window(requests_per_second=17.9)),
    ("books_not_balanced", "critical", newest(accounted_rows=999, balanced=False)),
    ("run_failed", "warning", newest(status="failed", exit_status=3, error="too many")),
    ("run_failed", "critical", newest(status="failed", exit_status=4, error="refused")),
    (
        "run_lost",
        "critical",
        newest(status="lost", exit_status=None, source_rows=None, accounted_rows=None, balanced=None),
    ),
    (
        "run_lost",
        "critical",
        newest(status="running", exit_status=None, source_rows=None, balanced=None, claim_expires_at=minutes(-1)),
    ),
    ("no_recent_run", "warning", replace(WELL, runs=(run(61),))),
    ("no_recent_run", "warning", replace(WELL, runs=())),
    ("unusual_volume", "warning", newest(source_rows=1501, accounted_rows=1501)),
    ("unusual_volume", "warning", newest(source_rows=499, accounted_rows=499)),
    ("dead_letter_depth", "warning", replace(WELL, dead_letters=1001)),
]


@pytest.mark.parametrize(("kind", "severity", "ill"), ILL, ids=[f"{n}-{kind}" for n, (kind, _, _) in enumerate(ILL)])
def test_every_alert_opens_once_and_resolves_once(kind: str, severity: str, ill: Observed) -> None:
    events: list[AlertEvent] = []
    for second, observed in enumerate((WELL, ill, ill, WELL, WELL)):
        at = NOON + timedelta(seconds=second)
        events += changes(judge_sync(observed, config()), events, sync="s", now=at)
    assert [(event.type, event.severity, event.event) for event in events] == [
        (kind, severity, "opened"),
        (kind, severity, "resolved"),
    ]
    assert {event.alert_id for event in events} == {f"s-{kind}-1"}
    assert events[0].message
    assert events[1].message == events[0].message
    assert open_alerts(events) == []
    assert open_alerts(events[:1]) == events[:1]


@pytest.mark.parametrize(
    "just_well",
    [
        WELL,
        window(error_rate_percent=10.0, max_processing_time_seconds=60.0, requests_per_second=30.0),
        newest(source_rows=1500, accounted_rows=1500),
        newest(source_rows=500, accounted_rows=500),
        replace(WELL, dead_letters=1000),
        replace(WELL, runs=tuple(run(60 + number) for number in range(5))),
        newest(status="running", exit_status=None, source_rows=None, balanced=None, claim_expires_at=minutes(5)),
        newest(status="cancelled", exit_status=143),
    ],
)
def test_a_limit_that_is_just_reached_is_no_alert(just_well: Observed) -> None:
    assert kinds(just_well) == {}


def test_a_second_time_is_another_alert() -> None:
    events: list[AlertEvent] = []
    ill = window(error_rate_percent=50.0)
    for second, observed in enumerate((ill, WELL, ill)):
        at = NOON + timedelta(seconds=second)
        events += changes(judge_sync(observed, config()), events, sync="s", now=at)
    assert [event.alert_id[-2:] for event in events] == ["-1", "-1", "-2"]


def test_a_window_with_too_little_in_it_says_nothing() -> None:
    ill = window(error_rate_percent=50.0, max_processing_time_seconds=99.0, requests_per_second=1.0)
    opened = changes(judge_sync(ill, config()), [], sync="s", now=NOON)
    assert len(opened) == 3
    at_work = newest(status="running", exit_status=None, source_rows=None, balanced=None, claim_expires_at=minutes(5))
    for little in (replace(at_work, window=window(total_records=99).window), replace(WELL, window=Window())):
        assert changes(judge_sync(little, config()), opened, sync="s", now=minutes(1)) == []


def test_little_work_that_has_ended_resolves_what_it_shows_no_more_and_opens_nothing() -> None:
    ill = {"error_rate_percent": 50.0, "max_processing_time_seconds": 99.0, "requests_per_second": 1.0}
    opened = changes(judge_sync(window(**ill), config()), [], sync="s", now=NOON)
    still = changes(judge_sync(window(total_records=99, **ill), config()), opened, sync="s", now=minutes(1))
    assert {(event.type, event.event) for event in still} == {("low_throughput", "resolved")}
    well = changes(judge_sync(window(total_records=99), config()), opened, sync="s", now=minutes(1))
    assert {event.type for event in well if event.event == "resolved"} == {event.type for event in opened}
    assert changes(judge_sync(window(total_records=99, **ill), config()), [], sync="s", now=minutes(1)) == []
    # a sync with a share of the rate is expected to use its share, and no more
    judged = {
        judgement.type: judgement
        for judgement in judge_sync(window(requests_per_second=17.9), config(share_of_rate=0.5))
    }
    assert judged["low_throughput"].holds is False
    # a few seconds of work open no alert about throughput either
    short = window(busy_seconds=9.9)
    resolved = changes(judge_sync(short, config()), opened, sync="s", now=minutes(1))
    assert {event.type for event in resolved} == {event.type for event in opened}


@pytest.mark.parametrize(
    ("workers", "rate", "holds"), [(20, 17.9, True), (20, 18.0, False), (4, 4.7, True), (4, 4.8, False)]
)
def test_no_more_requests_are_expected_than_the_workers_can_send(workers: int, rate: float, *, holds: bool) -> None:
    judged = judge_sync(window(requests_per_second=rate), config(workers=workers))
    assert next(item.holds for item in judged if item.type == "low_throughput") is holds


def test_one_failed_suppression_is_critical() -> None:
    observed = window(total_records=5, failed_records=1, error_rate_percent=20.0, requests_per_second=50.0)
    assert [item.type for item in judge_sync(observed, config("suppress")) if item.holds] == ["high_error_rate"]
    assert [item.type for item in judge_sync(observed, config("track")) if item.holds] == []


def test_a_worse_end_closes_the_warning_and_opens_a_critical_alert() -> None:
    mild, bad = newest(status="failed", exit_status=3), newest(status="failed", exit_status=4)
    events = changes(judge_sync(mild, config()), [], sync="s", now=NOON)
    events += changes(judge_sync(bad, config()), events, sync="s", now=minutes(1))
    assert [(event.event, event.severity) for event in events] == [
        ("opened", "warning"),
        ("resolved", "warning"),
        ("opened", "critical"),
    ]
    assert status_of(bad, open_alerts(events), 5.0) == "critical"


def test_a_replay_is_no_run_of_the_sync() -> None:
    replays = (
        run(0, replay=True, source_rows=7, accounted_rows=7),
        run(1, replay=True, status="failed", exit_status=3),
    )
    assert kinds(replace(WELL, runs=(*replays, *WELL.runs))) == {}
    assert set(kinds(replace(WELL, runs=(*replays, run(90))))) == {"no_recent_run"}


def test_rows_of_a_small_sync_may_double() -> None:
    few = tuple(run(number, source_rows=rows, accounted_rows=rows) for number, rows in enumerate((80, 40, 40, 40)))
    assert kinds(replace(WELL, runs=few)) == {}
    assert set(kinds(replace(WELL, runs=few), minimum_records=50)) == {"unusual_volume"}


def test_an_empty_source_is_unusual() -> None:
    assert set(kinds(newest(source_rows=0, accounted_rows=0))) == {"unusual_volume"}


def test_books_that_a_run_never_came_to_say_nothing() -> None:
    crashed = newest(status="failed", exit_status=1, accounted_rows=0, balanced=None)
    assert set(kinds(crashed)) == {"run_failed"}
    unbalanced = replace(crashed, runs=(crashed.runs[0], run(1, accounted_rows=7, balanced=False)))
    assert set(kinds(unbalanced)) == {"run_failed", "books_not_balanced"}


def test_without_an_expected_interval_no_run_is_missed() -> None:
    assert kinds(replace(WELL, runs=()), expected_every_minutes=None) == {}


@pytest.mark.parametrize(
    ("observed", "alerts", "status", "exit_status"),
    [
        (replace(WELL, window=Window(), runs=()), [], "no_data", 0),
        (replace(WELL, window=Window()), [], "no_recent_data", 0),
        (WELL, [], "healthy", 0),
        (window(error_rate_percent=5.1), [], "degraded", 8),
        (WELL, ["warning"], "warning", 8),
        (WELL, ["warning", "critical"], "critical", 9),
        (replace(WELL, window=Window()), ["critical"], "critical", 9),
    ],
)
def test_the_status_is_one_word_with_an_exit_status(
    observed: Observed, alerts: list[str], status: str, exit_status: int
) -> None:
    still_open = [AlertEvent("a", "t", severity, "opened", "m", "s", None, None, NOON) for severity in alerts]
    found = status_of(observed, still_open, 5.0)
    assert found == status
    assert Health("s", found, observed).exit_status == ExitStatus(exit_status)


def test_a_run_limited_to_some_rows_is_no_unusual_volume_and_no_measure_for_others() -> None:
    assert "unusual_volume" in kinds(newest(source_rows=10, accounted_rows=10))
    assert "unusual_volume" not in kinds(newest(source_rows=10, accounted_rows=10, limited=True))
    tried = tuple(run(number, limited=True, source_rows=10, accounted_rows=10) for number in range(1, 5))
    usual = tuple(run(number) for number in range(5, 9))
    assert "unusual_volume" not in kinds(replace(WELL, runs=(run(0), *tried, *usual)))
