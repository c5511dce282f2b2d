"""Tests that a batch which fails while requests get smaller is divided, and not sent again as it is.

Its tries count for the parts.
"""

from __future__ import annotations

from collections import Counter

import hypothesis.strategies as st
from delivery_world import JudgingClient, column, deliver, fates, row, settings_for
from hypothesis import given, settings

from cio_spark.clock import FakeClock
from cio_spark.config import BatchStrategy
from cio_spark.delivery.exchange import Answer, Failure

TIMED_OUT = Answer(None, "no answer in time", failure=Failure.TIMEOUT, elapsed_seconds=30.0)


def client_taking(most: int, answer: Answer = TIMED_OUT) -> JudgingClient:
    return JudgingClient(lambda found: answer if len(found) > most else Answer(200, elapsed_seconds=0.1), FakeClock())


def test_a_batch_that_timed_out_goes_on_in_halves() -> None:
    client = client_taking(5)
    groups = deliver(
        settings_for(max_records=10, strategy=BatchStrategy.ADAPTIVE), [row(n) for n in range(20)], None, lambda: client
    )
    assert set(fates(groups).values()) == {"accepted"}
    assert client.requests[:3] == [list(range(10)), [0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert all(len(found) <= 5 for found in client.requests[1:])
    (root,) = [group.batch for group in groups if group.batch and column(group, "record_id")[0] == "r-0"]
    # The two parts count as retries of the batch, not as divisions after a refusal
    assert (root.attempts, root.requests, root.splits) == (3, 3, 0)


def test_under_a_fixed_size_a_batch_that_timed_out_stays_whole() -> None:
    client = client_taking(5)
    groups = deliver(settings_for(max_records=10), [row(n) for n in range(10)], None, lambda: client)
    assert set(fates(groups).values()) == {"failed"}
    assert client.requests == 4 * [list(range(10))]


def test_one_429_sends_the_same_batch_again_and_a_second_one_divides_it() -> None:
    client = client_taking(5, Answer(429, "slow down"))
    deliver(
        settings_for(max_records=10, strategy=BatchStrategy.ADAPTIVE), [row(n) for n in range(10)], None, lambda: client
    )
    assert [len(found) for found in client.requests] == [10, 10, 5, 5]


def test_an_outage_is_no_question_of_size() -> None:
    client = client_taking(0, Answer(503, "down"))
    settings = settings_for(max_records=10, strategy=BatchStrategy.ADAPTIVE, circuit_failures=0)
    deliver(settings, [row(n) for n in range(10)], None, lambda: client)
    assert client.requests == 4 * [list(range(10))]


@settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 60),
    most=st.integers(0, 20),
    max_records=st.integers(1, 30),
    retries=st.integers(0, 4),
    hold=st.booleans(),
    answer=st.sampled_from([TIMED_OUT, Answer(429, "slow down"), Answer(503, "down"), Answer(413, "too much")]),
)
def test_no_record_is_lost_tried_too_often_or_out_of_order(
    rows: int, most: int, max_records: int, retries: int, hold: bool, answer: Answer
) -> None:
    client = client_taking(most, answer)
    groups = deliver(
        settings_for(
            max_records=max_records,
            strategy=BatchStrategy.ADAPTIVE,
            retry_attempts=retries,
            circuit_failures=0,
            hold_person_after_failure=hold,
        ),
        [row(number, person=number % 5) for number in range(rows)],
        client._clock,
        lambda: client,
    )
    found = fates(groups)
    assert len(found) == rows
    assert {int(name.removeprefix("r-")) for name, fate in found.items() if fate == "accepted"} == set(client.accepted)
    for person in range(5):
        sent = [number for number in client.accepted if number % 5 == person]
        assert sent == sorted(sent)
    if answer.status != 413:
        tries = Counter(number for request in client.requests for number in request)
        assert max(tries.values(), default=0) <= retries + 1
        assert {group.error_code for group in groups} <= {
            None,
            "timeout",
            "http_429",
            "http_503",
            "held_back_after_failure",
        }
