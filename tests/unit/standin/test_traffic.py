"""Tests that the stand-in sees how fast, how many at a time, and for which persons requests come."""

from __future__ import annotations

import socket
import threading
from datetime import datetime, timezone

import pytest
import requests
from standin_client import event, held_request, send

from cio_spark.standin import Fault, StandIn
from cio_spark.standin.traffic import Traffic


class ScriptedClock:
    """Shows a time that stands still until it is moved."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, timezone.utc)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_the_densest_window_is_found() -> None:
    clock = ScriptedClock()
    with StandIn(clock=clock) as api:
        for pause_seconds in (0, 2, 0.5, 0.25, 4, 1, 1, 0.9):
            clock.sleep(pause_seconds)
            send(api, event())

        assert api.traffic.max_in_any_window() == 4
        assert api.traffic.max_in_any_window(seconds=1.0) == 3
        assert api.traffic.max_in_any_window(seconds=0.25) == 1
        assert api.traffic.arrivals[:3] == [100.0, 102.0, 102.5]


def test_no_requests_make_no_window() -> None:
    assert StandIn().traffic.max_in_any_window() == 0


def test_a_rate_limit_refuses_what_goes_over_and_recovers() -> None:
    clock = ScriptedClock()
    with StandIn(clock=clock, max_requests_per_3_seconds=2, rate_retry_after="3") as api:
        answers = []
        for pause_seconds in (0, 1, 1, 1, 0):
            clock.sleep(pause_seconds)
            answers.append(send(api, event()))

        assert [answer.status_code for answer in answers] == [200, 200, 429, 200, 429]
        assert answers[2].headers["Retry-After"] == "3"
        assert api.received.count() == 3


def test_a_rate_limit_sends_no_retry_after_unless_told() -> None:
    with StandIn(max_requests_per_3_seconds=0) as api:
        assert "Retry-After" not in send(api, event()).headers


def test_requests_in_flight_are_counted() -> None:
    with StandIn() as api:
        with held_request(api, "a"), held_request(api, "b"):
            assert api.traffic.in_flight == 2
        assert api.traffic.in_flight == 0
        assert api.traffic.max_in_flight == 2


def test_one_request_after_the_other_is_never_two_in_flight() -> None:
    with StandIn() as api:
        for number in range(50):
            send(api, event(number, userId="a"))

        assert (api.traffic.max_in_flight, api.traffic.overlapping_persons) == (1, frozenset())


def test_two_requests_at_once_for_one_person_are_seen() -> None:
    with StandIn() as api, held_request(api, "a", "b"):
        send(api, event(1, userId="b"), event(2, userId="c"))

        assert api.traffic.overlapping_persons == {"b"}


def test_a_request_that_its_client_has_given_up_overlaps_with_nothing() -> None:
    with StandIn() as api:
        api.script(Fault(latency_seconds=60, times=20), Fault(status=200, body="{}", trickle_body_seconds=60))
        for _ in range(25):
            with pytest.raises(requests.RequestException):
                send(api, event(1, userId="a"), timeout=0.05)

        assert (api.traffic.max_in_flight, api.traffic.overlapping_persons) == (1, frozenset())


def test_a_client_that_has_hung_up_does_not_count_even_before_its_thread_notices() -> None:
    traffic = Traffic(ScriptedClock())
    first_client, first_server = socket.socketpair()
    second_client, second_server = socket.socketpair()
    with first_client, first_server, second_client, second_server:
        traffic.enter(first_server).bring(["a"])
        first_client.close()
        traffic.enter(second_server).bring(["a"])

        assert (traffic.max_in_flight, traffic.overlapping_persons) == (1, frozenset())


def test_a_client_that_has_hung_up_does_not_overlap_when_more_were_in_flight_before() -> None:
    traffic = Traffic(ScriptedClock())
    first_client, first_server = socket.socketpair()
    second_client, second_server = socket.socketpair()
    with first_client, first_server, second_client, second_server:
        for visit in [traffic.enter(second_server) for _ in range(3)]:
            visit.leave()
        traffic.enter(first_server).bring(["a"])
        first_client.close()
        traffic.enter(second_server).bring(["a"])

        assert traffic.overlapping_persons == frozenset()


def test_a_client_that_hung_up_before_its_body_was_read_overlaps_with_nothing_and_hides_nothing() -> None:
    traffic = Traffic(ScriptedClock())
    pairs = [socket.socketpair() for _ in range(3)]
    waiting, gone, third = [server for _, server in pairs]
    try:
        traffic.enter(waiting).bring(["a"])
        late = traffic.enter(gone)
        pairs[1][0].close()
        late.bring(["a"])
        assert traffic.overlapping_persons == frozenset()

        traffic.enter(third).bring(["a"])
        assert traffic.overlapping_persons == {"a"}
    finally:
        for pair in pairs:
            for end in pair:
                end.close()


def test_persons_of_a_refused_request_overlap_too() -> None:
    with StandIn() as api, held_request(api, "a"):
        api.script(Fault(status=500))
        send(api, event(1, userId="a"))

        assert api.traffic.overlapping_persons == {"a"}


def test_counts_hold_with_many_clients_at_once() -> None:
    with StandIn() as api:
        lanes = [
            threading.Thread(target=lambda lane=lane: [send(api, event(userId=f"p{lane}")) for _ in range(20)])
            for lane in range(6)
        ]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join()

        assert len(api.traffic.arrivals) == 120
        assert 1 <= api.traffic.max_in_flight <= 6
        assert api.traffic.overlapping_persons == frozenset()
