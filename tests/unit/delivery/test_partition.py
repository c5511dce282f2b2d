"""Tests a partition over real HTTP.

Every row ends in one group, and the stand-in confirms what was accepted.
"""

from __future__ import annotations

import itertools
import pickle
import threading
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import hypothesis.strategies as st
import pytest
from delivery_world import ScriptedClient, chunks, column, deliver, fates, row, settings_for, statuses
from hypothesis import given
from hypothesis import settings as hypothesis_settings

from cio_spark.clock import FakeClock, SystemClock
from cio_spark.config import ApiKey, ErrorHandlingStrategy
from cio_spark.delivery import PreparedRow, ProcessState, deliver_partition
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.lane import QUEUE_DEPTH
from cio_spark.delivery.process_state import process_state
from cio_spark.delivery.records import IDENTITY
from cio_spark.standin import Fault, StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def lane_threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("cio-spark-lane")]


def test_several_lanes_deliver_everything_in_order_per_person(api: StandIn) -> None:
    rows = [row(number, person=number % 40, lane=number % 40) for number in range(2_000)]

    groups = deliver(settings_for(api.url, lanes=4, compress=True, max_records=50, sample_resources=True), rows)

    assert fates(groups) == {f"r-{number}": "accepted" for number in range(2_000)}
    assert sorted(api.received.message_ids()) == sorted(f"id-{number}" for number in range(2_000))
    assert api.traffic.overlapping_persons == frozenset()
    for person in range(40):
        ids = [message["message_id"] for message in api.received.by_person(f"person-{person}")]
        assert ids == [f"id-{number}" for number in range(person, 2_000, 40)]
    assert lane_threads() == []


def test_a_group_carries_the_facts_of_its_batch(api: StandIn) -> None:
    clock = FakeClock()
    (group,) = deliver(settings_for(api.url, compress=True, sample_resources=True), [row(1), row(2)], clock)

    assert group[:8] == ("accepted", None, None, None, 200, "event_processing-run-w2-p7-l0-1", 1, clock.now())
    assert group.records.select(IDENTITY).to_pydict() == {
        "record_id": ["r-1", "r-2"],
        "person_key": ["person-1", "person-2"],
        "message_id": ["id-1", "id-2"],
        "payload_hash": [1, 2],
        "payload_bytes": [row(1).payload_bytes] * 2,
        "source_hash": [101, 102],
    }
    (request,) = api.received.requests()
    facts = group.batch
    assert facts is not None
    assert (facts.wave, facts.partition, facts.lane, facts.records) == (2, 7, 0, 2)
    assert (facts.bytes, facts.compressed_bytes) == (request["bytes"], request["compressed_bytes"])
    assert (facts.requests, facts.attempts, facts.splits) == (1, 1, 0)
    assert facts.memory_usage_mb is None or facts.memory_usage_mb > 1
    assert pickle.loads(pickle.dumps(group)) == group


def test_an_empty_partition_makes_no_connection_and_starts_no_thread() -> None:
    def refuse() -> Any:
        raise AssertionError("a client was made")

    before = threading.active_count()

    assert deliver(settings_for(), [], client_factory=refuse) == []
    assert threading.active_count() == before


def test_invalid_rows_pass_through_with_their_reasons_and_are_never_sent(api: StandIn) -> None:
    refused: dict[str, Any] = {
        "error_code": "too_large",
        "error_message": "40000 bytes",
        "payload": None,
        "payload_bytes": 40_000,
    }
    rows = [row(number, **refused) if number % 2 else row(number) for number in range(2_500)]
    rows.append(row(9_999, **{**refused, "error_message": "50000 bytes"}))

    groups = deliver(settings_for(api.url, max_records=1000), rows)

    invalid = [group for group in groups if group.status == "invalid"]
    assert {group[:9] for group in invalid} == {("invalid", "validation", None, None, None, None, 0, None, None)}
    written = [line for group in invalid for line in group.as_arrow().to_pylist()]
    assert [line["error_code"] for line in written] == ["too_large"] * 1_251
    assert [line["error_message"] for line in written] == ["40000 bytes"] * 1_250 + ["50000 bytes"]
    assert written[0]["payload_bytes"] == 40_000
    assert len(fates(groups)) == 2_501
    assert api.received.count() == 1_250


def test_one_item_per_request_sends_each_record_alone(api: StandIn) -> None:
    deliver(settings_for(api.url, one_item_per_request=True), [row(number) for number in range(3)])

    assert [request["items"] for request in api.received.requests()] == [1, 1, 1]


def test_a_refused_key_stops_every_lane_and_nothing_is_retried(api: StandIn) -> None:
    settings = settings_for(api.url, api_key=ApiKey("wrong"), lanes=2)

    groups = deliver(settings, [row(number, lane=number % 2) for number in range(400)])

    failed = [group for group in groups if group.status == "failed"]
    assert 1 <= len(failed) <= 2
    assert {(group.error_category, group.error_code, group.http_status) for group in failed} == {
        ("authentication", "http_401", 401)
    }
    rest = [group for group in groups if group.status != "failed"]
    assert {(group.status, group.batch_id, group.batch, group.error_code) for group in rest} == {
        ("not_attempted", None, None, "key_refused")
    }
    assert len(fates(groups)) == 400
    assert statuses(api) == [401] * len(failed)
    assert "wrong" not in repr(groups)


def test_a_redirect_stops_the_partition(api: StandIn) -> None:
    api.script(Fault(status=307, location="https://cdp-eu.customer.io/v1/batch"))

    groups = deliver(settings_for(api.url), [row(number) for number in range(30)])

    assert (groups[0].status, groups[0].error_category, groups[0].error_code) == ("failed", "unknown", "redirect")
    assert "cdp-eu.customer.io" in str(groups[0].error_message)
    assert statuses(api) == [307]


@pytest.mark.parametrize(
    "fault",
    [
        Fault(status=503, times=2),
        Fault(status=429, times=2),
        Fault(status=408, times=2),
        Fault(drop_connection="before_reading", times=2),
        Fault.bad_gateway_page(times=2),
    ],
    ids=["503", "429", "408", "dropped", "page"],
)
def test_a_transient_failure_is_retried_with_the_same_message_ids(api: StandIn, fault: Fault) -> None:
    clock = FakeClock()
    api.script(fault)

    (group,) = deliver(settings_for(api.url), [row(1), row(2)], clock)

    assert (group.status, group.attempts, group.http_status) == ("accepted", 3, 200)
    assert group.batch is not None
    assert (group.batch.requests, group.batch.attempts) == (3, 3)
    assert group.batch.throttled_seconds == pytest.approx(sum(clock.sleeps))
    assert api.received.message_ids() == ["id-1", "id-2"]
    counts = [request["headers"].get("X-Retry-Count") for request in api.received.requests()]
    assert counts == [None, "1", "2"]


def test_used_up_retries_leave_the_batch_failed_and_the_next_one_goes_on(api: StandIn) -> None:
    api.script(Fault(status=503, times=4))

    groups = deliver(settings_for(api.url), [row(number) for number in range(20)])

    assert [(group.status, group.error_category, group.attempts) for group in groups] == [
        ("failed", "server", 4),
        ("accepted", None, 1),
    ]
    assert api.received.count() == 10


@pytest.mark.parametrize("retry_after", ["17", "Sat, 31 Jan 2026 12:00:17 GMT"])
def test_retry_after_is_waited_for(api: StandIn, retry_after: str) -> None:
    clock = FakeClock()
    api.script(Fault(status=429, retry_after=retry_after, times=1))

    (group,) = deliver(settings_for(api.url), [row(1)], clock)

    assert clock.seconds == 17.0
    assert group.attempted_at == FakeClock().now() + timedelta(seconds=17)


@pytest.mark.parametrize("status", [400, 413, 422])
def test_a_record_that_is_refused_alone_is_rejected_with_its_category_and_the_rest_goes_on(
    api: StandIn, status: int
) -> None:
    api.script(Fault(status=status, times=1))

    groups = deliver(settings_for(api.url, max_records=1), [row(number) for number in range(2)])

    refused, accepted = sorted(groups, key=lambda group: column(group, "record_id"))
    category = "too_large" if status == 413 else "validation"
    assert refused[:5] == ("rejected", category, f"http_{status}", f"HTTP {status}: scripted fault", status)
    assert accepted.status == "accepted"
    assert statuses(api) == [status, 200]


def test_fail_fast_stops_at_the_first_failure_without_a_retry(api: StandIn) -> None:
    api.script(Fault(status=503, after=1))
    settings = settings_for(api.url, error_handling=ErrorHandlingStrategy.FAIL_FAST)

    groups = deliver(settings, [row(number) for number in range(50)])

    assert [group.status for group in groups] == [
        "accepted",
        "failed",
        "not_attempted",
        "not_attempted",
        "not_attempted",
    ]
    assert statuses(api) == [200, 503]


def test_continue_on_error_goes_on_without_retries(api: StandIn) -> None:
    api.script(Fault(status=503, times=2))
    settings = settings_for(api.url, error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR)

    groups = deliver(settings, [row(number) for number in range(30)])

    assert [group.status for group in groups] == ["failed", "failed", "accepted"]
    assert statuses(api) == [503, 503, 200]


@pytest.mark.parametrize("hold", [True, False])
def test_later_records_of_a_person_wait_after_a_failure_where_that_is_wanted(api: StandIn, hold: bool) -> None:
    api.script(Fault(status=501, times=1))
    settings = settings_for(api.url, max_records=2, hold_person_after_failure=hold, retry_attempts=0)

    groups = deliver(settings, [row(number, person=person) for number, person in enumerate([1, 2, 1, 3, 4, 5, 2, 2])])

    waiting = "not_attempted" if hold else "accepted"
    expected = ["failed", "failed", waiting, "accepted", "accepted", "accepted", waiting, waiting]
    assert list(dict(sorted(fates(groups).items())).values()) == expected
    held = [group for group in groups if group.status == "not_attempted"]
    assert {(group.error_code, group.batch_id) for group in held} == (
        {("held_back_after_failure", None)} if hold else set()
    )


def test_a_refused_compression_falls_back_to_plain_for_good() -> None:
    with StandIn(accept_gzip=False) as api:
        groups = deliver(settings_for(api.url, compress=True), [row(number) for number in range(30)])
        requests = api.received.requests()

    assert [group.status for group in groups] == ["accepted"] * 3
    assert [request["status"] for request in requests] == [415, 200, 200, 200]
    assert groups[0].batch is not None
    assert (groups[0].batch.requests, groups[0].batch.attempts, groups[0].batch.compressed_bytes) == (2, 1, None)


def test_a_refusal_after_compression_has_worked_is_about_the_content(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-15"})))

    groups = deliver(settings_for(api.url, compress=True), [row(number) for number in range(30)])

    assert {record for record, status in fates(groups).items() if status != "accepted"} == {"r-15"}
    assert all(request["compressed_bytes"] for request in api.received.requests())


def test_without_strict_mode_nothing_is_compressed_for_a_refusal_would_be_silent() -> None:
    with StandIn(accept_gzip=False) as api:
        deliver(settings_for(api.url, compress=True, strict_mode=False), [row(1)])

        assert api.received.count() == 1


def test_requests_keep_to_the_rate_in_any_three_seconds() -> None:
    clock = FakeClock()
    times: list[float] = []

    class Noting(ScriptedClient):
        def post_batch(self, *args: Any, **options: Any) -> Answer:
            times.append(clock.seconds)
            return super().post_batch(*args, **options)

    client = Noting(Answer(503), Answer(200))
    deliver(settings_for(seconds_between_requests=0.5), [row(number) for number in range(200)], clock, lambda: client)

    assert len(times) == 21
    assert times[0] >= 0.5
    assert all(after - before >= 0.5 - 1e-9 for before, after in itertools.pairwise(times))


def test_several_lanes_together_take_as_long_as_the_rate_says(api: StandIn) -> None:
    interval = 0.02
    settings = settings_for(api.url, lanes=4, max_records=1, seconds_between_requests=interval)
    clock = SystemClock()
    began = clock.monotonic()

    deliver(settings, [row(number, lane=number) for number in range(60)], clock)

    # The times of arrival vary on a busy machine; but the last grant never comes earlier than the schedule says
    assert len(api.traffic.arrivals) == 60
    assert clock.monotonic() - began >= 60 * interval


def test_memory_stays_flat_before_a_slow_api() -> None:
    released = threading.Event()
    sent = threading.Event()

    class Slow(ScriptedClient):
        def post_batch(self, *args: Any, **options: Any) -> Answer:
            sent.set()
            released.wait(20)
            return super().post_batch(*args, **options)

    read = itertools.count()
    furthest = 0

    def endless() -> Iterator[PreparedRow]:
        nonlocal furthest
        for number in read:
            furthest = number
            if number == 5 * (QUEUE_DEPTH + 2) - 1:
                sent.wait(20)
                released.set()  # all rows that may be read have been read; only now may the lane finish a batch
            yield row(number)

    settings = settings_for(max_records=5)
    process = ProcessState(settings, FakeClock(), Slow)
    groups = deliver_partition(0, chunks(endless()), settings, clock=FakeClock(), process=process)
    for delivered in range(1, 20):
        next(groups)
        assert furthest < 5 * (delivered + QUEUE_DEPTH + 2)
    groups.close()

    assert lane_threads() == []


def test_a_consumer_that_leaves_stops_requests_and_threads(api: StandIn) -> None:
    api.script(Fault(latency_seconds=60, after=1))
    settings = settings_for(api.url, lanes=2)
    process = ProcessState(settings, SystemClock())
    rows = chunks(row(number, lane=number) for number in itertools.count())
    groups = deliver_partition(0, rows, settings, process=process)
    first = next(groups)
    groups.close()
    process.close()

    assert first.status == "accepted"
    assert lane_threads() == []


def test_an_error_in_a_lane_surfaces_in_the_task_and_ends_the_others() -> None:
    class Broken(ScriptedClient):
        def post_batch(self, *_: Any, **__: Any) -> Answer:
            raise RuntimeError("a defect")

    clients = iter([Broken(), *(ScriptedClient() for _ in range(3))])

    with pytest.raises(RuntimeError, match="a defect"):
        deliver(
            settings_for(lanes=4),
            (row(number, lane=number) for number in itertools.count()),
            None,
            lambda: next(clients),
        )
    assert lane_threads() == []


def test_an_error_in_the_rows_ends_the_lanes() -> None:
    def broken() -> Iterator[PreparedRow]:
        yield from (row(number) for number in range(25))
        raise ValueError("lost executor")

    with pytest.raises(ValueError, match="lost executor"):
        deliver(settings_for(), broken(), None, ScriptedClient)
    assert lane_threads() == []


def test_a_stop_ends_the_long_wait_of_another_lane() -> None:
    waiting = threading.Event()

    class Throttled(ScriptedClient):
        def post_batch(self, *_: Any, **__: Any) -> Answer:
            waiting.set()
            return Answer(503, retry_after_seconds=300.0)

    class Refused(ScriptedClient):
        def post_batch(self, *_: Any, **__: Any) -> Answer:
            waiting.wait(20)
            return Answer(401)

    settings = settings_for(lanes=2, max_records=1)
    clients = iter([Throttled(), Refused()])
    process = ProcessState(settings, SystemClock(), lambda: next(clients))

    def rows() -> Iterator[PreparedRow]:
        yield row(1, lane=0)
        waiting.wait(20)
        yield row(2, lane=1)

    groups = list(deliver_partition(0, chunks(rows()), settings, process=process))

    assert {(group.status, group.http_status, group.attempts) for group in groups} == {
        ("failed", 503, 1),
        ("failed", 401, 1),
    }


ANSWERS = st.sampled_from(
    [Answer(200)] * 4
    + [Answer(400), Answer(401), Answer(413), Answer(429), Answer(503), Answer(None, failure=Failure.CONNECTION)]
)


@hypothesis_settings(max_examples=60, deadline=None)
@given(
    answers=st.lists(ANSWERS, min_size=1, max_size=12),
    persons=st.lists(st.integers(0, 6), max_size=60),
    lanes=st.integers(1, 3),
    hold=st.booleans(),
    strategy=st.sampled_from(ErrorHandlingStrategy),
    max_records=st.integers(1, 9),
    circuit=st.sampled_from([(5, 300.0), (2, 12.0), (1, 0.0)]),
)
def test_every_row_ends_in_exactly_one_group_whatever_the_api_answers(
    answers: list[Answer],
    persons: list[int],
    lanes: int,
    hold: bool,
    strategy: ErrorHandlingStrategy,
    max_records: int,
    circuit: tuple[int, float],
) -> None:
    settings = settings_for(
        lanes=lanes,
        max_records=max_records,
        hold_person_after_failure=hold,
        error_handling=strategy,
        circuit_failures=circuit[0],
        circuit_budget_seconds=circuit[1],
    )
    rows = [row(number, person=person, lane=person) for number, person in enumerate(persons)]

    groups = deliver(settings, rows, None, lambda: ScriptedClient(*answers))

    assert sorted(fates(groups)) == sorted(f"r-{number}" for number in range(len(rows)))
    for person in set(persons):
        mine = [
            (rid, g)
            for g in groups
            for rid, who in zip(column(g, "record_id"), column(g, "person_key"), strict=True)
            if who == f"person-{person}"
        ]
        mine.sort(key=lambda pair: int(pair[0][2:]))
        wrong = [at for at, (_, group) in enumerate(mine) if group.status in ("failed", "rejected")]
        if hold and wrong:  # records of the same request share its outcome
            later = [group for _, group in mine[wrong[0] + 1 :] if group is not mine[wrong[0]][1]]
            assert {group.status for group in later} <= {"not_attempted"}


def test_a_process_keeps_its_connections_for_a_run_and_closes_them_for_the_next() -> None:
    clock = SystemClock()
    first = process_state(settings_for(run_id="a"), clock)
    client = first.borrow_client()
    first.return_client(client)

    assert process_state(settings_for(run_id="a", wave=3, lanes=5), clock) is first
    assert first.borrow_client() is client
    second = process_state(settings_for(run_id="b"), clock)
    assert second is not first
    assert second.borrow_client() is not client


def test_a_wave_with_another_share_of_the_rate_gets_its_own_schedule() -> None:
    process = ProcessState(settings_for(seconds_between_requests=1.0), FakeClock(), ScriptedClient)

    assert process.rate(1.0) is process.rate(1.0)
    assert process.rate(2.0).seconds_between_requests == 2.0
    process.close()
