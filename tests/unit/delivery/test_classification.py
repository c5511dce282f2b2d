"""Tests that answers are judged by their status or by the kind of failure.

Reasons are read from both documented forms of a body, and have a bounded length.
"""

from __future__ import annotations

import json
import unicodedata
from datetime import datetime, timezone

import hypothesis.strategies as st
import pytest
from hypothesis import given

from cio_spark.clock import FakeClock
from cio_spark.delivery.classification import ApiSign, Outcome, classify
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.refusal_reason import describe
from cio_spark.delivery.retry import RetryPolicy
from cio_spark.delivery.retry_after import retry_after_seconds

NOW = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


@pytest.mark.parametrize(
    ("status", "outcome", "category"),
    [
        (200, Outcome.ACCEPTED, None),
        (204, Outcome.ACCEPTED, None),
        *[(status, Outcome.STOP, "unknown") for status in (300, 301, 304, 308, 399)],
        (400, Outcome.REFUSED, "validation"),
        (401, Outcome.STOP, "authentication"),
        *[(status, Outcome.STOP, "unknown") for status in (402, 404, 405, 407, 410, 415, 421, 426, 431, 451, 499)],
        (403, Outcome.STOP, "authentication"),
        (408, Outcome.TRANSIENT, "timeout"),
        (413, Outcome.REFUSED, "too_large"),
        (422, Outcome.REFUSED, "validation"),
        (429, Outcome.TRANSIENT, "rate_limit"),
        *[(status, Outcome.TRANSIENT, "server") for status in (409, 423, 425)],
        *[(status, Outcome.TRANSIENT, "server") for status in (500, 501, 502, 503, 504, 505, 520, 521, 524, 530, 599)],
        *[(status, Outcome.TRANSIENT, "server") for status in (100, 101, 103, 199, 600, 999)],
    ],
)
def test_a_status_decides(status: int, outcome: Outcome, category: str | None) -> None:
    verdict = classify(Answer(status, reason="timeout rate limit unauthorized"))

    assert (verdict.outcome, verdict.category and verdict.category.value) == (outcome, category)


def test_every_status_has_a_row_and_only_stops_say_why() -> None:
    for status in range(100, 1000):
        verdict = classify(Answer(status))
        assert (verdict.outcome is Outcome.STOP) == (verdict.rule.stop_code is not None)
        assert (verdict.code is None) == verdict.accepted
        assert verdict.rule.sign is ApiSign.FAILING or not verdict.transient


@pytest.mark.parametrize(
    ("failure", "outcome", "category"),
    [
        (Failure.CONNECTION, Outcome.TRANSIENT, "network"),
        (Failure.TIMEOUT, Outcome.TRANSIENT, "timeout"),
        (Failure.REQUEST, Outcome.TERMINAL, "unknown"),
    ],
)
def test_without_a_status_the_kind_of_failure_decides(failure: Failure, outcome: Outcome, category: str) -> None:
    verdict = classify(Answer(None, failure=failure))

    assert (verdict.outcome, verdict.category and verdict.category.value) == (outcome, category)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b'{"meta":{"errors":["a is\\nbad","b too"]}}', "HTTP 400: a is bad; b too"),
        (b'{"meta":{"error":"a is bad"}}', "HTTP 400: a is bad"),
        (b'{"meta":{"error":null}}', "HTTP 400"),
        (b'{"meta":[]}', "HTTP 400"),
        (b"[" * 60_000, "HTTP 400"),
        (b" <html>secret</html>", "HTTP 400 (HTML page)"),
        (b"payload: secret", "HTTP 400"),
        (b"\xff", "HTTP 400"),
        (b"", "HTTP 400"),
    ],
)
def test_only_documented_error_texts_are_quoted(body: bytes, reason: str) -> None:
    assert describe(400, body) == reason


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("before\x1b]0;title\x07after", "beforeafter"),
        ("before\x1b]8;;http://x/\x1b\\link\x1b]8;;\x1b\\after", "beforelinkafter"),
        ("before\x1b[2J\x1b[1;31mafter\x1b[0m", "beforeafter"),
        ("before\x1bPq#0\x1b\\after \x1bc\x1b(B.", "beforeafter ."),
        ("before\x9b31mafter\x9d0;title\x9c.", "beforeafter."),
        ("never ended \x1b]0;title", "never ended 0;title"),
        ("a\x00b\x07c\x08d\x7fe\x85f\x90g", "abcde fg"),
        ("pay \u202egnp.exe\u202c \u2066now\u2069\u200f\u061c", "pay gnp.exe now"),
        ("a\u2028b\u2029c\td\r\ne", "a b c d e"),
        ("zero\u200bwidth\ufeff \ud800 surrogate", "zerowidth surrogate"),
        ("Größe 日本 \U0001f600 [bold]", "Größe 日本 \U0001f600 [bold]"),
    ],
)
def test_what_steers_a_terminal_or_turns_text_round_is_taken_out_of_a_reason(text: str, shown: str) -> None:
    body = json.dumps({"meta": {"errors": [text]}}).encode()

    assert describe(400, body) == f"HTTP 400: {shown}"


@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: json.dumps({"meta": {"error": text}}).encode()))
def test_whatever_an_answer_holds_its_reason_is_one_printable_line(body: bytes) -> None:
    reason = describe(400, body)

    assert reason.encode().decode() == reason
    assert not {unicodedata.category(character) for character in reason} & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_a_reason_is_bounded() -> None:
    assert len(describe(400, b'{"meta":{"error":"' + b"x" * 5000 + b'"}}')) == 500


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("7", 7.0),
        (" 0 ", 0.0),
        ("86400", 300.0),
        ("9" * 5000, 300.0),
        ("00000000000007", 7.0),
        ("Sat, 31 Jan 2026 12:00:30 GMT", 30.0),
        ("Sat, 31 Jan 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Feb 2026 11:00:00 GMT", 300.0),
        ("soon", None),
        ("-3", None),
        ("1.5", None),
        ("", None),
        (None, None),
    ],
)
def test_retry_after_is_read_in_both_forms_and_clamped(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header, NOW) == seconds


@pytest.mark.parametrize(
    ("answer", "retry", "draw", "seconds"),
    [
        (Answer(503), 1, 1.0, 4.0),
        (Answer(503), 3, 0.5, 8.0),
        (Answer(503), 10, 1.0, 300.0),
        (Answer(429), 1, 0.0, 3.0),
        (Answer(429, retry_after_seconds=1.0), 1, 1.0, 1.0),
        (Answer(503, retry_after_seconds=1000.0), 1, 1.0, 300.0),
    ],
)
def test_the_wait_is_what_was_asked_for_or_full_jitter(answer: Answer, retry: int, draw: float, seconds: float) -> None:
    policy = RetryPolicy(retries=10, backoff_seconds=2.0, draw=lambda: draw)

    assert policy.wait_seconds(retry, classify(answer)) == seconds


def test_retries_end_with_the_time_budget_before_the_attempts_are_used_up() -> None:
    clock = FakeClock()
    policy = RetryPolicy(retries=10, backoff_seconds=2.0, budget_seconds=650.0)
    tries: list[float] = []

    def attempt() -> object:
        tries.append(clock.seconds)
        return classify(Answer(503, retry_after_seconds=300.0))

    policy.retrying(clock.monotonic, clock.sleep, lambda: False)(attempt)

    assert tries == [0.0, 300.0, 600.0, 900.0]
