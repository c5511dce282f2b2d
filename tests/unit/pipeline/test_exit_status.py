"""Tests that the exit status says what happened, and that the worst event counts."""

from __future__ import annotations

from typing import Any

import pytest

from cio_spark.cli.run_command import worst_exit_status
from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.model import Books, DeliveryCounts, Reason, StateCounts
from cio_spark.pipeline.exit_status import decide_exit_status
from cio_spark.results.record_status import MOST_REASONS, most_frequent


def config(call: str = "identify", **batch: Any) -> SyncConfig:
    payload = {"call": call, "record_id": "id", "user_id": "id"}
    return SyncConfig.model_validate(
        {"sync": {"name": "s"}, "source": {"table": "t"}, "payload": payload, "batch": batch}
    )


def books(source_rows: int, *reasons: Reason, **delivery: Any) -> Books:
    return Books(StateCounts(source_rows=source_rows), DeliveryCounts(reasons=tuple(reasons), **delivery))


def failure(category: str) -> Reason:
    return Reason("failed", category, "x", "what the API said", 1)


@pytest.mark.parametrize(
    ("made", "settings", "expected"),
    [
        (books(0), {}, ExitStatus.SUCCESS),
        (books(100, accepted=95, invalid=5), {}, ExitStatus.SUCCESS),
        (books(100, accepted=94, invalid=6), {}, ExitStatus.ERROR_THRESHOLD_EXCEEDED),
        (
            books(100, Reason("not_attempted", "", "out_of_time", "", 40), accepted=60, not_attempted=40, requests=9),
            {},
            ExitStatus.API_UNAVAILABLE,
        ),
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
    status, message = decide_exit_status(config(**settings), made)
    assert status is expected
    assert message


def test_tasks_that_came_too_late_are_not_the_apis_fault() -> None:
    late = Reason("not_attempted", "", "out_of_time", "", 40)
    status, message = decide_exit_status(config(), books(40, late, not_attempted=40))
    assert status is ExitStatus.API_UNAVAILABLE
    assert "the cluster is busy" in message
    assert "slowly" in decide_exit_status(config(), books(40, late, not_attempted=40, requests=1))[1]


def test_waves_that_were_sent_twice_are_no_balanced_books() -> None:
    made = Books(StateCounts(source_rows=8), DeliveryCounts(accepted=8), evaluated_again=8)
    status, message = decide_exit_status(config(), made)
    assert status is ExitStatus.BOOKS_NOT_BALANCED
    assert message.startswith("8 records were evaluated twice by Spark")


@pytest.mark.parametrize("call", ["suppress", "unsuppress", "delete_person", "device_delete", "relationship_delete"])
def test_of_suppressions_and_deletions_none_may_fail_and_what_is_held_is_said(call: str) -> None:
    extra = {"device_delete": {"device_token": "id"}, "relationship_delete": {"object_id": "id"}}.get(call, {})
    payload = {"call": call, "record_id": "id", "user_id": "id", **extra}
    made = SyncConfig.model_validate({"sync": {"name": "s"}, "source": {"table": "t"}, "payload": payload})
    assert (
        decide_exit_status(made, books(1000, failure("server"), accepted=999, failed=1))[0]
        is ExitStatus.ERROR_THRESHOLD_EXCEEDED
    )
    status, message = decide_exit_status(made, Books(StateCounts(source_rows=3, held=1), DeliveryCounts(accepted=2)))
    assert status is ExitStatus.SUCCESS
    assert "1 that our validation refused before" in message


@pytest.mark.parametrize(
    ("code", "http_status", "said"),
    [
        ("refused_by_api", 404, "refuses every request"),
        ("refused_by_api", 402, "account and plan"),
        ("redirect", 307, "redirect"),
    ],
)
@pytest.mark.parametrize("error_handling", ["retry_with_backoff", "fail_fast", "dead_letter_queue"])
def test_an_api_that_refuses_every_request_is_no_error_of_the_records_nor_of_the_configuration(
    code: str, http_status: int, said: str, error_handling: str
) -> None:
    met = Reason("failed", "unknown", code, "", 10, http_status)
    rest = Reason("not_attempted", "", code if code == "refused_by_api" else "stopped", "this partition stopped", 980)

    status, message = decide_exit_status(
        config(error_handling=error_handling), books(1000, met, rest, accepted=10, failed=10, not_attempted=980)
    )

    assert status is ExitStatus.API_UNAVAILABLE
    assert said in message
    assert f"HTTP {http_status}: 10 records" in message


@pytest.mark.parametrize(
    ("status", "code", "settings", "counts"),
    [
        ("failed", "http_503", {"error_handling": "fail_fast"}, {"failed": 2}),
        ("rejected", "http_400", {"error_handling": "fail_fast"}, {"rejected": 2}),
        ("failed", "http_429", {}, {"failed": 2}),
        ("failed", "circuit_open", {}, {"failed": 2}),
        ("failed", "refuses_everything", {}, {"failed": 2}),
        ("failed", "refused_by_api", {}, {"failed": 2}),
        ("failed", "redirect", {}, {"failed": 2}),
    ],
)
def test_no_sentence_about_a_run_quotes_what_was_said_of_a_record(
    status: str, code: str, settings: dict[str, Any], counts: dict[str, int]
) -> None:
    category = "rate_limit" if code == "http_429" else "server"
    reasons = [Reason(status, category, code, f"HTTP 400: someone{n}@example.com is no user", 1, 400) for n in (1, 2)]

    _, message = decide_exit_status(config(**settings), books(2, *reasons, **counts))

    assert "example.com" not in message
    assert "2 records" in message


def test_unchanged_rows_do_not_dilute_the_error_rate() -> None:
    made = Books(StateCounts(source_rows=1000, unchanged=990), DeliveryCounts(accepted=9, invalid=1))
    assert made.error_rate_percent == pytest.approx(10.0)


def test_of_several_syncs_the_worst_counts() -> None:
    assert (
        worst_exit_status([ExitStatus.SUCCESS, ExitStatus.KEY_REFUSED, ExitStatus.ERROR_THRESHOLD_EXCEEDED])
        is ExitStatus.KEY_REFUSED
    )
    assert worst_exit_status([]) is ExitStatus.SUCCESS


def test_many_different_refusals_do_not_hide_the_one_reason_that_matters() -> None:
    refusals = [Reason("rejected", "validation", "http_400", f"HTTP 400: bad user {n}", 1) for n in range(60)]
    key = Reason("failed", "authentication", "http_401", "HTTP 401", 1)
    kept = most_frequent([*refusals, key])
    assert len(kept) == MOST_REASONS + 1
    status, _ = decide_exit_status(config(), books(100, *kept, accepted=39, rejected=60, failed=1))
    assert status is ExitStatus.KEY_REFUSED


def test_failures_whose_reasons_are_unknown_have_a_verdict_all_the_same() -> None:
    status, _ = decide_exit_status(config(), books(1, failed=1))
    assert status is ExitStatus.ERROR_THRESHOLD_EXCEEDED


@pytest.mark.parametrize(
    ("call", "expected"), [("identify", True), ("suppress", True), ("group", False), ("track", False)]
)
def test_only_calls_about_the_whole_person_make_older_ones_obsolete(call: str, expected: bool) -> None:
    """Check which calls overwrite the whole person.

    A person has many devices and groups: a second one that was accepted says nothing about a first one that was
    refused.
    """
    extra: dict[str, dict[str, Any]] = {"group": {"group_id": "id"}, "track": {"event": {"value": "e"}}}
    payload = {"call": call, "record_id": "id", "user_id": "id", **extra.get(call, {})}
    made = SyncConfig.model_validate({"sync": {"name": "s"}, "source": {"table": "t"}, "payload": payload})
    assert made.call.overwrites_person is expected
