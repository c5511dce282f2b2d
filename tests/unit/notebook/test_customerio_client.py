"""Tests that the public client sends within the limits, and raises errors of the package."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import suppress

import pytest
from structlog.testing import capture_logs

from cio_spark.clock import FakeClock
from cio_spark.errors import (
    ApiRefusedError,
    AuthenticationError,
    ConfigurationError,
    CustomerIOError,
    NetworkError,
    RateLimitError,
    ValidationError,
)
from cio_spark.notebook.customerio_client import CustomerIOClient
from cio_spark.standin import Fault, StandIn


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def client_of(api: StandIn, key: str = "standin-key", *, logging: bool = False) -> CustomerIOClient:
    return CustomerIOClient(key, base_url=api.url, max_retries=1, enable_logging=logging, clock=FakeClock())


def test_people_and_events_arrive(api: StandIn) -> None:
    with client_of(api) as client:
        client.identify("p1", {"plan": "größer"}, messageId="m1")
        result = client.track("p1", "Order Placed", {"amount": 3})

    assert result == {"success": True, "processed": 1, "requests": 1}
    first, second = api.received.by_person("p1")
    assert (first["type"], first["message_id"]) == ("identify", "m1")
    assert first["payload"]["traits"] == {"plan": "größer"}
    assert (second["event"], bool(second["message_id"])) == ("Order Placed", True)


def test_large_lists_are_split_within_the_limits(api: StandIn) -> None:
    calls = [{"type": "track", "userId": "p", "event": "e", "properties": {"x": "ü" * 10_000}} for _ in range(60)]
    with client_of(api) as client:
        assert client.batch(calls) == {"success": True, "processed": 60, "requests": 3}

    assert api.received.count() == 60
    assert api.received.over_limit() == (0, 0)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), object(), "\ud800", "x" * 32_000])
def test_what_the_api_cannot_take_is_refused_before_anything_is_sent(api: StandIn, value: object) -> None:
    good = {"type": "track", "userId": "p", "event": "e"}
    with client_of(api) as client, pytest.raises(ValidationError, match="request 1 "):
        client.batch([good, {**good, "properties": {"v": value}}])

    assert api.received.requests() == []


@pytest.mark.parametrize(
    ("fault", "kind", "requests"),
    [
        (Fault(status=400), ValidationError, 1),
        (Fault(status=413), ValidationError, 1),
        (Fault(status=401), AuthenticationError, 1),
        (Fault(status=429), RateLimitError, 2),
        (Fault(status=503), NetworkError, 2),
        (Fault(drop_connection="before_reading"), NetworkError, 2),
        (Fault(status=422), ValidationError, 1),
        (Fault(status=409), NetworkError, 2),
        (Fault(status=404), ApiRefusedError, 1),
        (Fault(status=302, location="https://elsewhere/"), CustomerIOError, 1),
    ],
)
def test_errors_are_raised_by_kind(api: StandIn, fault: Fault, kind: type[CustomerIOError], requests: int) -> None:
    api.script(fault)

    with client_of(api) as client, pytest.raises(CustomerIOError) as raised:
        client.track("p", "e")

    assert type(raised.value) is kind
    assert raised.value.status_code == fault.status
    assert len(api.received.requests()) == requests


def test_what_the_api_said_is_in_no_message_and_can_be_asked_for(api: StandIn) -> None:
    api.script(Fault(status=400, body='{"meta":{"error":"someone@example.com is no user"}}'))

    with client_of(api) as client, pytest.raises(ValidationError) as raised:
        client.track("p", "e")

    error = pickle.loads(pickle.dumps(raised.value))
    assert (str(error), error.status_code) == ("HTTP 400", 400)
    assert "example.com" not in repr(error)
    assert error.detail == "HTTP 400: someone@example.com is no user"


@pytest.mark.parametrize(
    ("fault", "events", "code"),
    [
        (Fault(status=503, times=1), ["retried", "accepted"], "http_503"),
        (Fault(status=429), ["retried", "failed"], "http_429"),
        (Fault(drop_connection="before_reading"), ["retried", "failed"], "connection"),
        (Fault(status=400), ["refused"], "http_400"),
        (Fault(status=401), ["refused"], "http_401"),
        (Fault(status=302, location="https://elsewhere/"), ["refused"], "redirect"),
    ],
)
def test_the_log_says_what_happened_to_every_request(api: StandIn, fault: Fault, events: list[str], code: str) -> None:
    api.script(fault)
    with client_of(api, logging=True) as client, capture_logs() as logs, suppress(CustomerIOError):
        client.track("p", "e")

    assert [entry["event"] for entry in logs] == [f"customerio_batch_{event}" for event in events]
    assert (logs[0]["error_code"], logs[0]["http_status"]) == (code, fault.status)
    assert (
        [entry["attempt"] for entry in logs]
        == list(range(1, len(events) + 1))
        == [*range(1, len(api.received.requests()) + 1)]
    )
    assert all(entry["records"] == 1 and entry["bytes"] > 50 for entry in logs)
    levels = {"accepted": "info", "retried": "warning", "refused": "error", "failed": "error"}
    assert [entry["log_level"] for entry in logs] == [levels[event] for event in events]


def test_the_log_counts_what_a_failure_left_unsent(api: StandIn) -> None:
    calls = [{"type": "track", "userId": "p", "event": "e", "properties": {"x": "ü" * 10_000}} for _ in range(60)]
    with client_of(api, logging=True) as client, capture_logs() as logs:
        api.script(Fault(after=1, status=400))
        with pytest.raises(ValidationError):
            client.batch(calls)

    accepted, refused = logs
    assert (accepted["event"], refused["event"]) == ("customerio_batch_accepted", "customerio_batch_refused")
    assert accepted["records"] + refused["records"] + refused["not_attempted"] == 60
    assert refused["not_attempted"] > 0


def test_a_call_that_is_refused_before_it_is_sent_is_logged_too(api: StandIn) -> None:
    with client_of(api, logging=True) as client, capture_logs() as logs, pytest.raises(ValidationError):
        client.batch([{"type": "track", "userId": "someone@example.com", "x": "x" * 32_000}])

    assert logs == [
        {
            "event": "customerio_batch_refused",
            "log_level": "error",
            "records": 0,
            "error_code": "invalid",
            "attempt": 0,
            "not_attempted": 1,
        }
    ]


@pytest.mark.parametrize("status", [400, 429])
def test_the_log_quotes_no_payload_no_person_no_key_and_nothing_the_api_said(api: StandIn, status: int) -> None:
    api.script(Fault(status=status, body='{"meta":{"error":"said-by-the-api"}}'))
    with client_of(api, logging=True) as client, capture_logs() as logs, suppress(CustomerIOError):
        client.track("someone@example.com", "Secret Event", {"plan": "golden"})

    assert logs
    assert not [
        word
        for word in ("someone", "example.com", "Secret Event", "golden", "standin-key", "said-by-the-api")
        if word in str(logs)
    ]


def test_without_logging_nothing_is_logged(api: StandIn) -> None:
    api.script(Fault(status=400))
    with client_of(api) as client, capture_logs() as logs, pytest.raises(ValidationError):
        client.track("p", "e")

    assert logs == []


def test_the_key_is_not_sent_in_clear_text_to_another_machine_unless_that_is_wanted() -> None:
    with pytest.raises(ConfigurationError, match="https"):
        CustomerIOClient("k", base_url="http://api.example.com/v1")

    CustomerIOClient("k", base_url="http://api.example.com/v1", insecure=True).close()


def test_a_region_that_does_not_exist_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="us, eu"):
        CustomerIOClient("k", region="asia")
