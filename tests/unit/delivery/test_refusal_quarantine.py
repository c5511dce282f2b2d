"""Tests that an API that refuses everything is told apart from bad records, with few requests.

The records of such an API are sent again.
"""

from __future__ import annotations

import pytest
from delivery_world import JudgingClient, codes, column, deliver, fates, refusing, row, settings_for

from cio_spark.clock import FakeClock
from cio_spark.delivery import ProcessState
from cio_spark.delivery.bisection import MAX_EXTRA_REQUESTS
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.refusal_quarantine import REFUSED_RECORDS

EVERYTHING = ("failed", "refuses_everything")
NOT_SENT = ("not_attempted", "refuses_everything")


@pytest.mark.parametrize("lanes", [1, 3])
def test_after_three_batches_of_nothing_but_refusals_the_partition_stops_and_its_records_go_again(lanes: int) -> None:
    clients = [JudgingClient(refusing(range(1000))) for _ in range(lanes)]
    unused = iter(clients)

    rows = [row(number, lane=number) for number in range(1000)]
    groups = deliver(settings_for(lanes=lanes), rows, None, lambda: next(unused))

    found = codes(groups)
    assert len(fates(groups)) == 1000
    assert set(found.values()) == {EVERYTHING, NOT_SENT}
    assert 30 <= list(found.values()).count(EVERYTHING) <= 30 + 10 * lanes
    assert sum(len(client.requests) for client in clients) <= (3 + lanes) * 19
    said = {(group.records.num_rows > 1, group.error_message) for group in groups if group[:3:2] == EVERYTHING}
    assert all("payload.call" in str(message) and "api.region" in str(message) for _, message in said)
    # The API's own words, which may echo a record, stand in that record's row only
    quoting = {several for several, message in said if "bad" in str(message)}
    assert quoting == {False}
    assert all("bad" not in str(group.error_message) for group in groups if group[:3:2] == NOT_SENT)


def test_the_batch_that_completes_the_evidence_is_divided_only_down_to_its_first_record() -> None:
    client = JudgingClient(refusing(range(5000)))

    groups = deliver(settings_for(max_records=1000), [row(number) for number in range(5000)], None, lambda: client)

    assert list(codes(groups).values()) == [EVERYTHING] * 3000 + [NOT_SENT] * 2000
    roots = [at for at, found in enumerate(client.requests) if len(found) == 1000]
    assert roots == [0, 1 + MAX_EXTRA_REQUESTS, 2 * (1 + MAX_EXTRA_REQUESTS)]
    assert [len(found) for found in client.requests[roots[2] :]] == [1000, 500, 250, 125, 63, 32, 16, 8, 4, 2, 1]


@pytest.mark.parametrize(("rows", "max_records"), [(1, 10), (20, 10), (30, 30), (REFUSED_RECORDS - 1, 1)])
def test_small_runs_of_truly_bad_records_end_with_each_rejected_for_its_reason(rows: int, max_records: int) -> None:
    def judge(found: list[int]) -> Answer:
        return Answer(400, f"HTTP 400: {'item ' + str(found[0]) if len(found) == 1 else 'some item'} is bad")

    groups = deliver(
        settings_for(max_records=max_records), [row(n) for n in range(rows)], None, lambda: JudgingClient(judge)
    )

    assert [(g.status, g.error_message, column(g, "record_id")) for g in groups] == [
        ("rejected", f"HTTP 400: item {number} is bad", [f"r-{number}"]) for number in range(rows)
    ]


def test_one_accepted_record_clears_the_suspicion_for_good() -> None:
    client = JudgingClient(refusing(set(range(15)) | set(range(16, 300))))

    groups = deliver(settings_for(), [row(number) for number in range(300)], None, lambda: client)

    assert fates(groups) == {f"r-{n}": "accepted" if n == 15 else "rejected" for n in range(300)}


def test_what_a_process_has_seen_counts_for_its_next_partition() -> None:
    client = JudgingClient(refusing(range(100)))
    process = ProcessState(settings_for(), FakeClock(), lambda: client)

    first = deliver(settings_for(), [row(number) for number in range(20)], process=process)
    second = deliver(settings_for(), [row(number) for number in range(20, 50)], process=process)
    third = deliver(settings_for(), [row(number) for number in range(50, 80)], process=process)

    assert set(fates(first).values()) == {"rejected"}
    for groups in (second, third):
        assert list(codes(groups).values()) == [EVERYTHING] * 10 + [NOT_SENT] * 20


def test_held_records_of_refused_batches_stay_held() -> None:
    client = JudgingClient(refusing(range(100)))
    rows = [row(number, person=number % 25) for number in range(100)]

    groups = deliver(settings_for(hold_person_after_failure=True, max_records=50), rows, None, lambda: client)

    assert set(codes(groups).values()) == {("rejected", "http_400"), ("not_attempted", "held_back_after_failure")}


def test_failures_of_another_kind_are_no_refusals() -> None:
    client = JudgingClient(lambda found: Answer(501) if found[0] % 2 else Answer(400))
    settings = settings_for(max_records=1, circuit_failures=0)

    groups = deliver(settings, [row(2 * n + 1) for n in range(50)] + [row(0)], None, lambda: client)

    assert codes(groups) == {f"r-{2 * n + 1}": ("failed", "http_501") for n in range(50)} | {
        "r-0": ("rejected", "http_400")
    }
