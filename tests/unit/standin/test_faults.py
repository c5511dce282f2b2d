"""Tests that scripted faults happen as scripted, and that nothing else happens."""

from __future__ import annotations

import http.client
import itertools
import pickle
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from standin_client import connect, event, held_request, post, send

from cio_spark.standin import Fault, StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def statuses(api: StandIn, count: int, **options: Any) -> list[int]:
    return [send(api, event(number), **options).status_code for number in range(count)]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 522, 524])
def test_a_status_is_answered_with_and_without_strict_mode_and_nothing_is_kept(api: StandIn, status: int) -> None:
    api.script(Fault(status=status))

    assert statuses(api, 1) + statuses(api, 1, strict=False) == [status, status]
    assert (api.received.count(), api.received.dropped()) == (0, [])


def test_times_and_after_choose_the_requests(api: StandIn) -> None:
    api.script(Fault(status=500, after=1, times=2))

    assert statuses(api, 5) == [200, 500, 500, 200, 200]


def test_faults_follow_each_other(api: StandIn) -> None:
    api.script(Fault(status=429, times=2), Fault(status=500, times=1))

    assert statuses(api, 4) == [429, 429, 500, 200]


def test_a_path_limits_the_fault_and_what_it_counts(api: StandIn) -> None:
    api.script(Fault(status=500, path="/track", after=1))
    single = b'{"userId":"p","event":"e"}'

    assert statuses(api, 2) == [200, 200]
    assert [post(api, single, "track").status_code for _ in range(2)] == [200, 500]


def test_a_share_is_drawn_from_the_seed() -> None:
    def drawn(seed: int) -> list[int]:
        with StandIn(seed=seed) as api:
            api.script(Fault(status=500, share=0.3))
            return statuses(api, 60)

    first = drawn(1)

    assert drawn(1) == first
    assert drawn(2) != first
    assert 5 <= first.count(500) <= 35


def test_no_share_never_fires(api: StandIn) -> None:
    api.script(Fault(status=500, share=0.0))

    assert statuses(api, 20) == [200] * 20


def test_cleared_faults_do_not_fire(api: StandIn) -> None:
    api.script(Fault(status=500))
    api.clear_faults()

    assert statuses(api, 1) == [200]


@pytest.mark.parametrize("retry_after", ["7", "Wed, 21 Oct 2026 07:28:00 GMT"])
def test_retry_after_is_sent_as_scripted(api: StandIn, retry_after: str) -> None:
    api.script(Fault(status=429, retry_after=retry_after))

    assert send(api, event()).headers["Retry-After"] == retry_after


@pytest.mark.parametrize(("shape", "member"), [("errors", ["scripted fault"]), ("error", "scripted fault")])
def test_the_shape_of_a_400_can_be_scripted(api: StandIn, shape: Any, member: Any) -> None:
    api.script(Fault(status=400, error_shape=shape))

    assert send(api, event()).json() == {"meta": {shape: member}}


def test_a_2xx_other_than_200_keeps_the_batch(api: StandIn) -> None:
    api.script(Fault(status=202, times=1), Fault(status=204))

    assert statuses(api, 2) == [202, 204]
    assert api.received.count() == 2


def test_a_server_may_keep_the_batch_and_answer_an_error(api: StandIn) -> None:
    api.script(Fault(status=502, keep_batch=True))

    assert send(api, event(1), event(2, userId=None), strict=False).status_code == 502
    assert api.received.message_ids() == ["id-1"]


def test_a_bad_gateway_answers_a_page(api: StandIn) -> None:
    api.script(Fault.bad_gateway_page(times=1))

    answer = send(api, event())

    assert (answer.status_code, answer.headers["Content-Type"]) == (502, "text/html")
    assert "<html>" in answer.text
    assert statuses(api, 1) == [200]


def test_a_redirect_names_its_location(api: StandIn) -> None:
    api.script(Fault(status=301, location="https://cdp-eu.customer.io/v1/batch"))

    answer = send(api, event())

    assert (answer.status_code, answer.headers["Location"]) == (301, "https://cdp-eu.customer.io/v1/batch")
    assert api.received.count() == 0


def test_a_raw_body_is_sent_as_scripted(api: StandIn) -> None:
    api.script(Fault(status=200, body="not json", content_type="text/plain"))

    answer = send(api, event())

    assert (answer.text, answer.headers["Content-Type"], api.received.count()) == ("not json", "text/plain", 1)


@pytest.mark.parametrize(("moment", "kept"), [("before_reading", 0), ("after_taking", 1)])
def test_a_dropped_connection_ends_without_an_answer(api: StandIn, moment: Any, kept: int) -> None:
    api.script(Fault(drop_connection=moment, times=1))

    with pytest.raises(requests.ConnectionError):
        send(api, event())

    assert api.received.count() == kept
    assert [request["status"] for request in api.received.requests()] == [None]
    assert statuses(api, 1) == [200]


def test_a_late_answer_keeps_the_client_waiting_though_the_batch_was_kept(api: StandIn) -> None:
    with held_request(api, "a", fault=Fault(latency_seconds=60)) as connection:
        assert api.received.count() == 1
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_latency_joins_the_fault_that_answers(api: StandIn) -> None:
    api.script(Fault(status=500))
    with held_request(api, "a", fault=Fault(latency_seconds=60)) as connection:
        assert [request["status"] for request in api.received.requests()] == [500]
        connection.settimeout(0.1)
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_204_has_a_head_only(api: StandIn) -> None:
    with held_request(api, "a", fault=Fault(status=204, times=1)) as connection:
        connection.sendall(b"GET /_standin/unknown HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        answers = b"".join(iter(lambda: connection.recv(4096), b""))

    first, _, rest = answers.partition(b"\r\n\r\n")
    assert first.startswith(b"HTTP/1.1 204 No Content\r\n")
    assert rest.startswith(b"HTTP/1.1 404 ")


def test_a_short_latency_is_followed_by_the_usual_answer(api: StandIn) -> None:
    api.script(Fault(latency_seconds=0.05))

    assert statuses(api, 2) == [200, 200]


def test_a_trickling_body_arrives_complete_byte_by_byte(api: StandIn) -> None:
    api.script(Fault(status=200, body="slow", trickle_body_seconds=0.01))
    with post(api, b'{"batch":[]}', stream=True) as answer:
        assert answer.status_code == 200
        assert [bytes(part) for part in iter(lambda: answer.raw.read1(64), b"")] == [b"s", b"l", b"o", b"w"]


def test_trickling_headers_keep_every_single_read_short(api: StandIn) -> None:
    api.script(Fault(trickle_headers_seconds=0.05))
    with connect(api) as connection:
        connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n" + b'{"batch":[]}')

        assert [connection.recv(1024) for _ in range(4)] == [b"H", b"T", b"T", b"P"]


def test_trickling_headers_are_a_complete_answer_in_the_end(api: StandIn) -> None:
    api.script(Fault(trickle_headers_seconds=0.001))

    answer = send(api, event())

    assert (answer.status_code, answer.json(), api.received.count()) == (200, {}, 1)


@pytest.mark.parametrize(("pause_seconds", "bytes_read"), [(0.0, 5_000_000), (0.001, 50)])
def test_an_endless_body_does_not_end(api: StandIn, pause_seconds: float, bytes_read: int) -> None:
    api.script(Fault(endless_body=True, trickle_body_seconds=pause_seconds))
    with post(api, b'{"batch":[]}', stream=True) as answer:
        read = itertools.accumulate(len(part) for part in answer.iter_content(65_536 if not pause_seconds else 1))
        assert next(total for total in read if total >= bytes_read)


def test_poison_refuses_every_batch_that_contains_it(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-2", "person-4"})))

    assert send(api, event(1), event(2), event(3)).status_code == 400
    assert send(api, event(3), event(4)).status_code == 400
    assert send(api, event(1), event(3)).status_code == 200
    assert api.received.message_ids() == ["id-1", "id-3"]
    assert [row["message_id"] for row in api.received.dropped()] == ["id-2", "id-4"]


def test_poison_is_dropped_silently_without_strict_mode(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-2"})))

    assert send(api, event(1), event(2), strict=False).status_code == 200
    assert api.received.message_ids() == ["id-1"]


def test_poison_joins_other_faults(api: StandIn) -> None:
    api.script(Fault(poison=frozenset({"id-1"})), Fault(status=500, times=1))

    assert [send(api, event(1)).status_code for _ in range(2)] == [500, 400]


def test_the_connection_serves_further_requests_after_a_fault_that_answers(api: StandIn) -> None:
    api.script(Fault(status=500, times=1))
    connection = http.client.HTTPConnection(api.root_url.removeprefix("http://"), timeout=10)
    connection.connect()
    socket_before = connection.sock
    for expected in (500, 401):
        connection.request("POST", "/v1/batch", b'{"batch":[]}', {"X-Strict-Mode": "1"})
        answer = connection.getresponse()
        answer.read()
        assert answer.status == expected
    assert connection.sock is socket_before
    connection.close()


@pytest.mark.parametrize(
    "wrong",
    [
        {"share": 1.5},
        {"status": 99},
        {"path": "/unknown"},
        {"retry_after": "1\r\nX: y"},
        {"latency_seconds": -1},
        {"no": 1},
    ],
)
def test_a_fault_that_cannot_be_is_refused_when_made(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        Fault(**wrong)


def test_a_fault_survives_pickling_and_does_not_change() -> None:
    fault = Fault(status=429, poison=frozenset({"a"}))

    assert pickle.loads(pickle.dumps(fault)) == fault
    with pytest.raises(AttributeError):
        fault.status = 500  # type: ignore[misc]  # that it cannot is what is tested
