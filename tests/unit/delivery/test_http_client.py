"""Tests one exchange over real HTTP.

The subjects are what is sent, what the result is, and that nothing prolongs the exchange.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from delivery_world import probe_settings_for, row, statuses

from cio_spark.clock import FakeClock
from cio_spark.config import ApiKey
from cio_spark.delivery import probe
from cio_spark.delivery.batching import Batch
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.http_client import PipelinesClient
from cio_spark.delivery.records import record_batch
from cio_spark.standin import Fault, StandIn
from cio_spark.standin.contract import ErrorShape

DEADLINE_SECONDS = 0.3


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def body(*numbers: int) -> bytes:
    return Batch(record_batch([row(number) for number in numbers])).body()


def exchange(api: StandIn, deadline_seconds: float = 10, *, key: str = "standin-key", compress: bool = False) -> Answer:
    client = PipelinesClient(api.url, ApiKey(key))
    try:
        return client.post_batch(body(1), deadline_seconds, compress=compress)
    finally:
        client.close()


def test_what_is_sent_is_what_the_api_asks_for(api: StandIn) -> None:
    client = PipelinesClient(api.url, ApiKey("standin-key"))
    answers = [client.post_batch(body(1), 10, compress=True), client.post_batch(body(2), 10, retry_count=2)]
    client.close()

    assert [answer.status for answer in answers] == [200, 200]
    assert api.received.message_ids() == ["id-1", "id-2"]
    first, second = api.received.requests()
    assert first["headers"]["Content-Encoding"] == "gzip"
    assert answers[0].compressed_bytes == first["compressed_bytes"]
    assert answers[1].compressed_bytes is None
    assert "X-Retry-Count" not in first["headers"]
    assert second["headers"]["X-Retry-Count"] == "2"
    assert second["headers"]["X-Strict-Mode"] == "1"
    assert second["headers"]["Content-Type"] == "application/json"
    assert second["headers"]["User-Agent"].startswith("cio-spark")


def test_one_connection_serves_many_exchanges(api: StandIn, monkeypatch: pytest.MonkeyPatch) -> None:
    client = PipelinesClient(api.url, ApiKey("standin-key"))
    opened: list[object] = []
    attach = client._abort_handle.attach

    def note_and_attach(*args: Any) -> None:
        opened.append(args)
        attach(*args)

    monkeypatch.setattr(client._abort_handle, "attach", note_and_attach)
    api.script(Fault(status=400, after=2, times=1))
    for number in range(5):
        client.post_batch(body(number), 10)
    client.close()

    assert len(opened) == 1


@pytest.mark.parametrize("shape", ["errors", "error"])
def test_both_shapes_of_a_refusal_give_its_reason(api: StandIn, shape: ErrorShape) -> None:
    api.script(Fault(poison=frozenset({"id-1"})), Fault(error_shape=shape))

    answer = exchange(api)

    assert (answer.status, answer.reason) == (400, "HTTP 400: message is refused by the script")


def test_any_2xx_is_success_whatever_its_body(api: StandIn) -> None:
    api.script(Fault(status=204, times=1), Fault(status=202, body="<not json", times=1))

    assert [exchange(api).is_success for _ in range(2)] == [True, True]


def test_a_502_with_a_page_is_named_so(api: StandIn) -> None:
    api.script(Fault.bad_gateway_page())

    assert exchange(api).reason == "HTTP 502 (HTML page)"


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_not_followed_and_names_the_region(api: StandIn, status: int) -> None:
    api.script(Fault(status=status, location=f"{api.url}/track", times=1))

    answer = exchange(api)

    assert "redirect to 127.0.0.1: check api.region / api.base_url" in answer.reason
    assert statuses(api) == [status]


@pytest.mark.parametrize(
    ("location", "host"),
    [
        ("https://someone%40example.com/", "an unreadable address"),
        ("https://xn--bcher-kva.example:8443/v1", "xn--bcher-kva.example"),
        ("https://[::1]/v1", "an unreadable address"),
        ("/elsewhere", "the same host"),
    ],
)
def test_only_the_plain_name_of_a_host_is_repeated(api: StandIn, location: str, host: str) -> None:
    api.script(Fault(status=308, location=location))

    assert f"redirect to {host}: check" in exchange(api).reason


def test_an_endless_redirect_is_not_read_to_its_end(api: StandIn) -> None:
    api.script(Fault(status=302, location=api.url, endless_body=True))

    assert exchange(api).status == 302


def test_a_dropped_connection_is_a_failure_of_the_network(api: StandIn) -> None:
    api.script(Fault(drop_connection="before_reading"))

    answer = exchange(api)

    assert (answer.status, answer.failure) == (None, Failure.CONNECTION)


def test_nobody_listening_is_a_failure_of_the_network() -> None:
    with StandIn() as api:
        url = api.url
    answer = PipelinesClient(url, ApiKey("k")).post_batch(b"{}", 5)

    assert answer.failure is Failure.CONNECTION
    assert "ConnectionRefusedError" in answer.reason


@pytest.mark.parametrize("address", ["nowhere", "http://[::1/v1"])
def test_an_impossible_address_is_a_failure_of_the_request(address: str) -> None:
    assert PipelinesClient(address, ApiKey("k")).post_batch(b"{}", 5).failure is Failure.REQUEST


def test_certificates_that_are_not_there_are_a_failure_of_the_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", "/nowhere/bundle.pem")
    answer = PipelinesClient("https://127.0.0.1:9/v1", ApiKey("k")).post_batch(b"{}", 5)

    assert answer.failure is Failure.REQUEST
    assert "REQUESTS_CA_BUNDLE" in answer.reason


@pytest.mark.parametrize(
    "fault",
    [Fault(latency_seconds=60), Fault(trickle_headers_seconds=0.1)],
    ids=["no answer", "trickled headers"],
)
def test_without_a_status_the_deadline_ends_the_exchange(api: StandIn, fault: Fault) -> None:
    api.script(fault)

    answer = exchange(api, DEADLINE_SECONDS)

    assert (answer.status, answer.failure) == (None, Failure.TIMEOUT)
    assert DEADLINE_SECONDS <= answer.elapsed_seconds < DEADLINE_SECONDS + 2


def test_the_deadline_holds_on_a_connection_that_was_kept_alive(api: StandIn) -> None:
    api.script(Fault(trickle_headers_seconds=0.1, after=1))
    client = PipelinesClient(api.url, ApiKey("standin-key"))
    answers = [client.post_batch(body(1), 10), client.post_batch(body(2), DEADLINE_SECONDS)]
    client.close()

    assert [answer.failure for answer in answers] == [None, Failure.TIMEOUT]
    assert answers[1].elapsed_seconds < DEADLINE_SECONDS + 2


@pytest.mark.parametrize("endless", [False, True])
@pytest.mark.parametrize("status", [200, 500])
def test_a_trickling_body_ends_at_the_deadline_and_the_status_stands(api: StandIn, status: int, endless: bool) -> None:
    api.script(Fault(status=status, trickle_body_seconds=0.02, endless_body=endless, body="x" * 1000))

    answer = exchange(api, DEADLINE_SECONDS)

    assert (answer.status, answer.failure) == (status, None)
    assert DEADLINE_SECONDS <= answer.elapsed_seconds < DEADLINE_SECONDS + 2


def test_an_endless_body_is_abandoned(api: StandIn) -> None:
    api.script(Fault(status=500, endless_body=True))

    answer = exchange(api, 60)

    assert (answer.status, answer.reason) == (500, "HTTP 500")
    assert answer.elapsed_seconds < 10


def test_an_upload_that_nobody_reads_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = PipelinesClient(f"http://127.0.0.1:{deaf.getsockname()[1]}/v1", ApiKey("k"))
        answer = client.post_batch(b"x" * 50_000_000, DEADLINE_SECONDS)

    assert answer.failure is Failure.TIMEOUT
    assert answer.elapsed_seconds < DEADLINE_SECONDS + 2


def test_a_tls_handshake_that_nobody_answers_ends_at_the_deadline() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = PipelinesClient(f"https://127.0.0.1:{deaf.getsockname()[1]}/v1", ApiKey("k"))
        answer = client.post_batch(b"{}", DEADLINE_SECONDS)

    assert answer.failure is Failure.TIMEOUT
    assert answer.elapsed_seconds < DEADLINE_SECONDS + 2


def test_the_client_can_be_used_after_a_deadline_and_after_an_abort(api: StandIn) -> None:
    client = PipelinesClient(api.url, ApiKey("standin-key"))
    api.script(Fault(latency_seconds=60))
    late = client.post_batch(body(1), DEADLINE_SECONDS)

    def abort_once_it_has_arrived() -> None:
        while "id-2" not in api.received.message_ids():
            pass
        client.abort()

    aborter = threading.Thread(target=abort_once_it_has_arrived, daemon=True)
    aborter.start()
    aborted = client.post_batch(body(2), 30)
    aborter.join()
    api.clear_faults()
    fine = client.post_batch(body(3), 10)
    client.close()

    assert late.failure is Failure.TIMEOUT
    assert aborted.status is None
    assert aborted.elapsed_seconds < 20
    assert fine.status == 200


def test_the_key_never_comes_back_in_a_reason_and_a_netrc_file_does_not_replace_it(
    api: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login other password other\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    assert exchange(api).status == 200
    api.script(Fault(status=401, body='{"meta":{"error":"standin-key is unknown"}}'))

    assert exchange(api).reason == "HTTP 401: ********** is unknown"


@pytest.mark.parametrize(
    ("fault", "key", "outcome", "requests"),
    [
        (None, "standin-key", "accepted", 1),
        (Fault(status=400), "standin-key", "refused", 1),
        (None, "wrong", "stop", 1),
        (Fault(status=307, location="https://cdp-eu.customer.io/v1/batch"), "standin-key", "stop", 1),
        (Fault(drop_connection="before_reading", times=1), "standin-key", "accepted", 2),
        (Fault(drop_connection="before_reading"), "standin-key", "transient", 2),
        (Fault(status=503), "standin-key", "transient", 1),
    ],
)
def test_the_probe_tells_whether_the_api_is_there_and_takes_the_key(
    api: StandIn, fault: Fault | None, key: str, outcome: str, requests: int
) -> None:
    api.script(*([fault] if fault else []))

    verdict = probe(probe_settings_for(api.url, key), FakeClock())

    assert (verdict.outcome.value, len(statuses(api)), api.received.count()) == (outcome, requests, 0)


def test_time_is_measured_by_the_clock_that_was_given(api: StandIn) -> None:
    client = PipelinesClient(api.url, ApiKey("standin-key"), clock=FakeClock())
    answer = client.post_batch(body(1), 10)
    client.close()

    assert answer.elapsed_seconds == 0.0
