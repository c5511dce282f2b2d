"""Tests that a refused batch is divided until each bad record stands alone.

The order is kept, and the number of requests and the time are bounded.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import hypothesis.strategies as st
import pytest
from delivery_world import JudgingClient, codes, column, deliver, fates, refusing, row, settings_for, statuses
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from cio_spark.clock import FakeClock
from cio_spark.config import ApiKey, ErrorHandlingStrategy
from cio_spark.delivery.bisection import MAX_EXTRA_REQUESTS
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.retry import RETRY_BUDGET_SECONDS
from cio_spark.standin import Fault, StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def test_the_bad_records_are_rejected_with_the_reason_and_the_good_ones_arrive_once(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-13", "id-77"})))

    groups = deliver(settings_for(api.url, max_records=100), [row(number) for number in range(100)])

    assert {record for record, status in fates(groups).items() if status == "rejected"} == {"r-13", "r-77"}
    assert sorted(api.received.message_ids()) == sorted(f"id-{n}" for n in range(100) if n not in (13, 77))
    rejected = [group for group in groups if group.status == "rejected"]
    assert {group[1:3] for group in rejected} == {("validation", "http_400")}
    assert all(str(group.error_message).startswith("HTTP 400: ") for group in rejected)
    assert {group.http_status for group in rejected} == {400}
    written = [line for group in groups for line in group.as_arrow().to_pylist()]
    assert [line["record_id"] for line in written] == [f"r-{number}" for number in range(100)]


def test_good_records_arrive_also_where_the_api_keeps_them_when_it_refuses_a_batch() -> None:
    with StandIn(keep_good_items_on_400=True) as api:
        api.script(Fault(poison=frozenset({"id-3"})))
        groups = deliver(settings_for(api.url), [row(number) for number in range(10)])

        assert set(api.received.message_ids()) == {f"id-{n}" for n in range(10) if n != 3}
    assert [record for record, status in fates(groups).items() if status != "accepted"] == ["r-3"]


def test_the_facts_of_a_root_batch_stand_on_one_of_its_records(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-2"})))

    groups = deliver(settings_for(api.url), [row(number) for number in range(4)])

    assert {group.batch_id for group in groups} == {"event_processing-run-w2-p7-l0-1"}
    [facts] = [group.batch for group in groups if group.batch is not None]
    lines = [line for group in groups for line in group.as_arrow().to_pylist()]
    assert [line["record_id"] for line in lines if line["batch"] is not None] == ["r-0"]
    assert (facts.records, facts.requests, facts.attempts, facts.splits) == (4, 5, 5, 2)
    assert facts.bytes == api.received.requests()[0]["bytes"]
    assert [(column(g, "record_id"), g.attempts) for g in groups] == [(["r-0", "r-1"], 2), (["r-2"], 3), (["r-3"], 3)]


def test_too_large_a_body_is_divided_and_a_record_too_large_alone_is_rejected() -> None:
    client = JudgingClient(lambda found: Answer(413) if len(found) > 2 or 5 in found else Answer(200))

    groups = deliver(settings_for(), [row(number) for number in range(8)], None, lambda: client)

    assert {g[1:3] for g in groups if g.status == "rejected"} == {("too_large", "http_413")}
    assert sorted(client.accepted) == [0, 1, 2, 3, 4, 6, 7]
    assert [record for record, status in fates(groups).items() if status != "accepted"] == ["r-5"]


def test_what_is_undecided_when_the_requests_are_used_up_is_failed() -> None:
    client = JudgingClient(refusing(range(1, 1000, 2)))

    groups = deliver(settings_for(max_records=1000), [row(number) for number in range(1000)], None, lambda: client)

    assert len(client.requests) == 1 + MAX_EXTRA_REQUESTS
    found = codes(groups)
    assert set(found.values()) == {("accepted", None), ("rejected", "http_400"), ("failed", "bisection_limit")}
    decided = [number for number in range(1000) if found[f"r-{number}"][0] != "failed"]
    assert decided == list(range(len(decided)))
    assert {n for n in decided if found[f"r-{n}"][0] == "rejected"} == {n for n in decided if n % 2}
    assert {group.error_category for group in groups if group.status == "failed"} == {"validation"}


def test_no_part_is_started_after_the_time_budget() -> None:
    clock = FakeClock()

    def slow(found: list[int]) -> Answer:
        clock.seconds += 100
        return refusing(range(10))(found)

    client = JudgingClient(slow, clock)
    groups = deliver(settings_for(), [row(number) for number in range(10)], clock, lambda: client)

    assert client.times[-1] < RETRY_BUDGET_SECONDS
    assert len(client.times) == RETRY_BUDGET_SECONDS / 100
    assert ("failed", "bisection_limit") in codes(groups).values()


def test_retries_of_parts_count_among_the_extra_requests() -> None:
    clock = FakeClock()
    client = JudgingClient(lambda found: Answer(400) if len(found) > 1 else Answer(503, retry_after_seconds=0.0), clock)
    settings = settings_for(max_records=100, retry_attempts=9, circuit_failures=0)

    groups = deliver(settings, [row(number) for number in range(100)], clock, lambda: client)

    assert len(client.requests) == 1 + MAX_EXTRA_REQUESTS
    assert set(codes(groups).values()) == {("failed", "http_503"), ("failed", "bisection_limit")}


@pytest.mark.parametrize("transient", [0, 1])
def test_compression_in_doubt_costs_no_more_than_the_limit(api: StandIn, transient: int) -> None:
    api.script(Fault(poison=frozenset(f"id-{number}" for number in range(100))))
    api.script(Fault(status=503, after=2, times=transient))

    deliver(settings_for(api.url, max_records=100, compress=True), [row(number) for number in range(100)])

    requests = api.received.requests()
    assert [request["items"] for request in requests].count(100) == 2  # the whole batch, compressed and then plain
    assert len(requests) == 2 + MAX_EXTRA_REQUESTS


def test_a_transient_failure_amid_a_bisection_fails_that_part_only(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-7"})), Fault(status=503, after=1, times=4))

    groups = deliver(settings_for(api.url), [row(number) for number in range(8)])

    expected = {f"r-{n}": ("failed", "http_503") for n in range(4)} | {f"r-{n}": ("accepted", None) for n in (4, 5, 6)}
    assert codes(groups) == {**expected, "r-7": ("rejected", "http_400")}


def test_a_refused_key_amid_a_bisection_fails_the_rest_of_the_batch() -> None:
    answers = iter([Answer(400), Answer(200), Answer(401)])
    client = JudgingClient(lambda _: next(answers))

    groups = deliver(settings_for(max_records=8), [row(number) for number in range(10)], None, lambda: client)

    assert list(codes(groups).values()) == (
        [("accepted", None)] * 4 + [("failed", "http_401")] * 4 + [("not_attempted", "key_refused")] * 2
    )


def test_continue_on_error_divides_too(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-7"})))
    settings = settings_for(api.url, error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR)

    assert list(fates(deliver(settings, [row(n) for n in range(10)])).values()).count("accepted") == 9


def test_fail_fast_divides_nothing(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-7"})))
    settings = settings_for(api.url, error_handling=ErrorHandlingStrategy.FAIL_FAST)

    groups = deliver(settings, [row(number) for number in range(20)])

    assert [group[:3:2] for group in groups] == [("failed", "http_400"), ("not_attempted", "fail_fast")]
    assert statuses(api) == [400]


def test_a_later_part_leaves_out_persons_with_a_failure_in_an_earlier_one() -> None:
    client = JudgingClient(refusing({1}))
    rows = [row(number, person=person) for number, person in enumerate([0, 1, 2, 1, 1, 3, 1, 0])]
    rows.append(row(8, person=1))

    groups = deliver(
        settings_for(max_records=8, hold_person_after_failure=True), rows, None, lambda: client, rows_per_chunk=3
    )

    held = ("not_attempted", "held_back_after_failure")
    assert {record: code for record, code in codes(groups).items() if code != ("accepted", None)} == {
        "r-1": ("rejected", "http_400"),
        **dict.fromkeys(["r-3", "r-4", "r-6", "r-8"], held),
    }
    assert client.accepted == [0, 2, 5, 7]
    assert [(g.batch_id is None, column(g, "record_id")) for g in groups if g.error_code == held[1]] == [
        (False, ["r-3"]),
        (False, ["r-4", "r-6"]),
        (True, ["r-8"]),
    ]


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    rows=st.integers(1, 60),
    bad=st.sets(st.integers(1, 59), max_size=5),
    max_records=st.integers(1, 40),
    lanes=st.integers(1, 3),
    status=st.sampled_from([400, 413]),
)
def test_exactly_the_bad_records_are_rejected_and_the_good_ones_accepted_once_and_in_order(
    rows: int, bad: set[int], max_records: int, lanes: int, status: int
) -> None:
    clients: list[JudgingClient] = []

    def connect() -> JudgingClient:
        clients.append(JudgingClient(refusing(bad, status)))
        return clients[-1]

    records = [row(number, person=number % 5, lane=number % 5) for number in range(rows)]
    groups = deliver(settings_for(max_records=max_records, lanes=lanes), records, None, connect)

    found = fates(groups)
    assert found == {f"r-{n}": "rejected" if n in bad else "accepted" for n in range(rows)}
    assert sorted(n for client in clients for n in client.accepted) == [n for n in range(rows) if n not in bad]
    for client in clients:
        for person in range(5):
            sent = [number for number in client.accepted if number % 5 == person]
            assert sent == sorted(sent)


@hypothesis_settings(max_examples=40, deadline=None)
@given(bad=st.sets(st.integers(0, 199)), max_records=st.integers(1, 200))
def test_a_batch_never_costs_more_than_its_extra_requests(bad: set[int], max_records: int) -> None:
    client = JudgingClient(refusing(bad))

    groups = deliver(settings_for(max_records=max_records), [row(n) for n in range(200)], None, lambda: client)

    assert len(fates(groups)) == 200
    roots = {group.batch_id: group.batch for group in groups if group.batch is not None}
    assert all(facts.requests <= 1 + MAX_EXTRA_REQUESTS for facts in roots.values())
    assert sum(facts.requests for facts in roots.values()) == len(client.requests)
    accepted = [n for n in range(200) if fates(groups)[f"r-{n}"] == "accepted"]
    assert client.accepted == accepted
    assert not bad & set(accepted)
    assert all(before < after for before, after in itertools.pairwise(client.accepted))


def test_the_key_is_in_none_of_the_groups(api: StandIn) -> None:
    api.script(Fault(status=400, body='{"meta":{"error":"key s3cret is odd"}}'))

    groups = deliver(settings_for(api.url, api_key=ApiKey("s3cret")), [row(number) for number in range(5)])

    assert "s3cret" not in repr(groups)
