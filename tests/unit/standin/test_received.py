"""Tests how the stand-in tells what it received: in the process, to questions from outside, and in its file."""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from standin_client import event, post, send

from cio_spark.errors import ConfigurationError
from cio_spark.standin import Fault, StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def ask(api: StandIn, question: str) -> Any:
    answer = requests.get(f"{api.root_url}/_standin/{question}", timeout=10)
    assert answer.status_code == 200
    return answer.json()


def test_counts_ids_and_duplicates_follow_the_order_of_arrival(api: StandIn) -> None:
    send(api, event(2), event(1))
    send(api, {"type": "identify", "userId": "p"}, event(2))

    assert api.received.count() == 4
    assert api.received.count_by_type() == {"identify": 1, "track": 3}
    assert api.received.message_ids() == ["id-2", "id-1", "id-2"]
    assert api.received.duplicates() == {"id-2": 2}


def test_a_message_is_found_by_its_id_with_its_full_payload(api: StandIn) -> None:
    send(api, event(1), event(2, properties={"nested": {"deep": [1, None, "ü"]}}))

    [message] = api.received.by_message_id("id-2")

    assert message == {
        "seq": 2,
        "request": 1,
        "position": 1,
        "type": "track",
        "person": "person-2",
        "message_id": "id-2",
        "event": "Order Placed",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "payload": event(2, properties={"nested": {"deep": [1, None, "ü"]}}),
    }
    assert api.received.by_message_id("id-3") == []


def test_a_persons_messages_come_in_order_whatever_identified_them(api: StandIn) -> None:
    send(api, event(1, userId="a"), event(2, userId="b"), event(3, userId=None, anonymousId="a"))
    send(
        api,
        {"type": "identify", "traits": {"email": "a"}, "messageId": "id-4"},
        {"type": "group", "groupId": "a", "messageId": "id-5"},
    )

    assert [message["message_id"] for message in api.received.by_person("a")] == ["id-1", "id-3", "id-4", "id-5"]


def test_all_messages_come_in_order_across_pages(api: StandIn) -> None:
    for start in range(0, 4_500, 1_500):
        send(api, *(event(number) for number in range(start, start + 1_500)))

    assert [message["payload"]["properties"]["amount"] for message in api.received.all()] == list(range(4_500))


def test_requests_tell_path_status_sizes_and_headers_but_not_the_key(api: StandIn) -> None:
    api.script(Fault(status=503, after=1, times=1))
    body = json.dumps({"batch": [event(1), event(2)]}).encode()
    post(api, body, headers={"X-Retry-Count": "2"})
    post(api, body, strict=False)

    first, second = api.received.requests()

    assert (first["number"], first["path"], first["status"], first["strict"]) == (1, "/v1/batch", 200, True)
    assert (first["bytes"], first["compressed_bytes"], first["items"], first["kept"]) == (len(body), None, 2, 2)
    assert (second["status"], second["strict"], second["items"], second["kept"]) == (503, False, 2, 0)
    assert second["arrival"] > first["arrival"]
    assert first["headers"]["X-Retry-Count"] == "2"
    assert "authorization" not in {name.lower() for name in first["headers"]}


def test_clear_forgets_everything_but_goes_on_receiving(api: StandIn) -> None:
    send(api, event(1), event(2, userId=None), strict=False)
    api.clear()

    assert (api.received.count(), api.received.requests(), api.received.dropped()) == (0, [], [])
    assert (api.traffic.arrivals, api.traffic.max_in_flight) == ([], 0)
    send(api, event(3))
    assert api.received.message_ids() == ["id-3"]


def test_messages_of_many_threads_are_all_kept_and_lookups_go_on_meanwhile(api: StandIn) -> None:
    def send_some(lane: int) -> None:
        for number in range(10):
            send(api, *(event(lane * 1_000 + number * 20 + one) for one in range(20)))
            api.received.by_person(f"person-{lane}")

    lanes = [threading.Thread(target=send_some, args=(lane,)) for lane in range(8)]
    for lane in lanes:
        lane.start()
    for lane in lanes:
        lane.join()

    assert api.received.count() == len(set(api.received.message_ids())) == 1_600
    assert all(message["payload"]["messageId"] == message["message_id"] for message in api.received.all())


def test_a_file_can_be_read_by_others_meanwhile_and_is_continued_later(tmp_path: Path) -> None:
    file = tmp_path / "received.sqlite"
    with StandIn(store=file) as api:
        send(api, event(1))
        with sqlite3.connect(file) as other:
            assert other.execute("SELECT message_id, person FROM messages").fetchall() == [("id-1", "person-1")]
    with StandIn(store=file) as api:
        send(api, event(2))

        assert api.received.message_ids() == ["id-1", "id-2"]
        assert [request["number"] for request in api.received.requests()] == [1, 2]


def test_a_store_that_cannot_be_opened_is_a_configuration_error(tmp_path: Path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("no database, but long enough to be read as one; " * 20)

    for file in (other, tmp_path / "missing" / "received.sqlite"):
        with pytest.raises(ConfigurationError, match="store"):
            StandIn(store=file)


def test_what_was_received_can_be_asked_after_the_stand_in_has_stopped() -> None:
    with StandIn() as api:
        send(api, event(1))

    assert [message["payload"] for message in api.received.all()] == [event(1)]


def test_the_summary_can_be_asked_from_outside(api: StandIn) -> None:
    send(api, event(1), event(1), event(2, userId=None), strict=False)

    summary = ask(api, "summary")

    assert summary["messages"] == 2
    assert summary["messages_by_type"] == {"track": 2}
    assert summary["duplicated_message_ids"] == 1
    assert summary["requests_by_status"] == {"200": 1}
    assert summary["dropped"] == 1
    assert summary["over_limit"] == {"items": 0, "bodies": 0}
    assert summary["max_requests_in_any_3_seconds"] == 1


def test_messages_can_be_asked_from_outside(api: StandIn) -> None:
    send(api, *(event(number) for number in range(150)), event(7, messageId="other"))

    assert [message["payload"] for message in ask(api, "messages?message_id=id-3")] == [event(3)]
    assert [message["message_id"] for message in ask(api, "messages?person=person-7")] == ["id-7", "other"]
    assert len(ask(api, "messages")) == 100
    assert len(ask(api, "messages?limit=120")) == 120
    assert requests.get(f"{api.root_url}/_standin/messages?limit=all", timeout=10).status_code == 400


def test_duplicates_requests_and_dropped_can_be_asked_from_outside(api: StandIn) -> None:
    send(api, event(1), event(1), event(2, userId=None), strict=False)

    assert ask(api, "duplicates") == {"id-1": 2}
    assert [request["path"] for request in ask(api, "requests")] == ["/v1/batch"]
    assert [row["message_id"] for row in ask(api, "dropped")] == ["id-2"]


def test_received_can_be_cleared_from_outside(api: StandIn) -> None:
    send(api, event(1))

    assert requests.delete(f"{api.root_url}/_standin/received", timeout=10).status_code == 200

    assert (api.received.count(), api.traffic.arrivals) == (0, [])


def test_faults_can_be_scripted_and_cleared_from_outside(api: StandIn) -> None:
    faults = f"{api.root_url}/_standin/faults"

    assert requests.post(faults, json=[{"status": 503, "retry_after": "2"}], timeout=10).status_code == 200
    answer = send(api, event(1))
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")

    assert requests.delete(faults, timeout=10).status_code == 200
    assert send(api, event(1)).status_code == 200


@pytest.mark.parametrize("body", ['[{"staus": 503}]', '[{"share": 2}]', "nonsense", "{}"])
def test_a_fault_that_cannot_be_is_refused_from_outside(api: StandIn, body: str) -> None:
    assert requests.post(f"{api.root_url}/_standin/faults", body, timeout=10).status_code == 400
    assert send(api, event(1)).status_code == 200


def test_questions_from_outside_are_no_api_traffic(api: StandIn) -> None:
    ask(api, "summary")

    assert (api.traffic.arrivals, api.received.requests()) == ([], [])
    assert requests.get(f"{api.root_url}/_standin/unknown", timeout=10).status_code == 404
