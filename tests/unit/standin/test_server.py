"""Tests that the stand-in starts, speaks HTTP, and stops without leaving anything behind."""

from __future__ import annotations

import http.client
import inspect
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests
from standin_client import connect, event, post, send

from cio_spark.cli import local_commands
from cio_spark.errors import ConfigurationError
from cio_spark.standin import Fault, StandIn, serve
from cio_spark.standin.serving import DEFAULT_PORT


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def talk(api: StandIn, request: bytes, answers: int = 1) -> list[tuple[int, bytes]]:
    """Send raw bytes over one connection, and return so many answers."""
    found = []
    with connect(api) as connection:
        connection.sendall(request)
        for _ in range(answers):
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            found.append((answer.status, answer.read()))
    return found


def test_the_address_ends_in_v1_and_is_on_loopback(api: StandIn) -> None:
    assert api.url == f"{api.root_url}/v1"
    assert api.url.startswith("http://127.0.0.1:")


def test_one_connection_serves_many_requests(api: StandIn) -> None:
    request = b"POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n" + b'{"batch":[]}'

    assert [status for status, _ in talk(api, request + request.replace(b"batch HTTP", b"batch?a=b HTTP"))] == [200]
    connection = http.client.HTTPConnection(api.root_url.removeprefix("http://"), timeout=10)
    for _ in range(3):
        connection.request("POST", "/v1/batch", b'{"batch":[]}')
        answer = connection.getresponse()
        assert (answer.status, answer.read(), answer.version, answer.will_close) == (200, b"{}", 11, False)
    connection.close()


def test_a_chunked_body_is_read(api: StandIn) -> None:
    def parts() -> Iterator[bytes]:
        yield b'{"batch":[{"type":"track",'
        yield b'"userId":"p","event":"e"}]}'

    answer = requests.post(f"{api.url}/batch", parts(), auth=(api.api_key, ""), timeout=10)

    assert answer.status_code == 200
    assert api.received.requests()[0]["headers"]["Transfer-Encoding"] == "chunked"
    assert api.received.count() == 1


@pytest.mark.parametrize(
    ("headers", "rest", "status"),
    [
        (b"Content-Length: many\r\n", b"", 400),
        (b"Content-Length: -1\r\n", b"", 400),
        (b"Content-Length: 99999999999999\r\n", b"", 413),
        (b"Transfer-Encoding: chunked\r\n", b"nonsense\r\n", 400),
        (b"Transfer-Encoding: chunked\r\n", b"FFFFFFFF\r\n", 413),
        (b"Transfer-Encoding: chunked\r\n", b"2\r\n{}{}\r\n", 400),
        (b"Transfer-Encoding: br\r\n", b"", 501),
    ],
)
def test_a_body_that_cannot_be_read_ends_the_connection(api: StandIn, headers: bytes, rest: bytes, status: int) -> None:
    with connect(api) as connection:
        connection.sendall(b"POST /v1/batch HTTP/1.1\r\nHost: x\r\n" + headers + b"\r\n" + rest)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        answer.read()
        assert (answer.status, answer.will_close) == (status, True)
        assert connection.recv(1) == b""
    assert api.received.count() == 0


def test_a_client_that_leaves_within_its_body_leaves_nothing(api: StandIn) -> None:
    with connect(api) as connection:
        connection.sendall(b'POST /v1/batch HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"batch":[')
    api.stop()

    assert api.received.count() == 0


@pytest.mark.parametrize("method", ["GET", "PUT", "PATCH", "DELETE"])
def test_the_api_takes_post_only(api: StandIn, method: str) -> None:
    answer = requests.request(method, f"{api.url}/batch", data=b"{}", timeout=10)

    assert (answer.status_code, answer.headers["Allow"]) == (405, "POST")


@pytest.mark.parametrize("call", ["batches", "batch/", "../batch"])
def test_other_paths_are_not_found(api: StandIn, call: str) -> None:
    assert post(api, b'{"batch":[]}', call).status_code == 404


def test_starting_and_stopping_twice_changes_nothing() -> None:
    api = StandIn()
    url = api.start().url
    assert api.start().url == url
    api.stop()
    api.stop()

    with pytest.raises(RuntimeError, match="not running"):
        _ = api.url
    with api:
        send(api, event())
    assert api.received.count() == 1


def test_stopping_leaves_no_thread_whatever_the_clients_wait_for() -> None:
    before = set(threading.enumerate())
    api = StandIn().start()
    api.script(
        Fault(latency_seconds=3_600, path="/batch"),
        Fault(trickle_body_seconds=3_600, path="/track"),
        Fault(trickle_headers_seconds=3_600, path="/page"),
        Fault(endless_body=True, path="/group"),
    )
    request = b"POST /v1/%s HTTP/1.1\r\nHost: x\r\nContent-Length: 12\r\n\r\n" + b'{"batch":[]}'
    connections = [connect(api)]
    for call in (b"batch", b"track", b"page", b"group"):
        connections.append(connect(api))
        connections[-1].sendall(request % call)
    while len(api.received.requests()) < 4:
        pass

    api.stop()

    assert set(threading.enumerate()) <= before
    for connection in connections:
        connection.close()


def test_a_port_in_use_is_one_clear_configuration_error(api: StandIn) -> None:
    port = int(api.root_url.rsplit(":", 1)[1])

    with pytest.raises(
        ConfigurationError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"
    ) as raised:
        StandIn(port=port).start()

    assert [problem.path for problem in raised.value.problems] == ["port"]


def test_a_port_that_cannot_be_is_a_configuration_error() -> None:
    with pytest.raises(ConfigurationError, match="65535"):
        StandIn(port=70_000).start()


SERVE = """
import sys
from cio_spark.standin import Fault, serve
api = serve(port=0, api_key="k", faults=[Fault(status=202)], on_start=lambda api: sys.stderr.write(api.url + chr(10)))
sys.stderr.write(f"stopped with {api.received.count()}" + chr(10))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serving_goes_on_until_a_signal_and_then_ends_cleanly(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", SERVE], stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        url = process.stderr.readline().strip()
        message = {"batch": [event()]}
        assert requests.post(f"{url}/batch", json=message, auth=("k", ""), timeout=10).status_code == 202
        os.kill(process.pid, number)

        assert process.stderr.read() == "stopped with 1\n"
        assert process.wait(10) == 0


def test_serving_on_a_port_in_use_is_a_configuration_error(api: StandIn) -> None:
    with pytest.raises(ConfigurationError, match="port"):
        serve(port=int(api.root_url.rsplit(":", 1)[1]))


def test_the_command_and_the_function_listen_on_the_port_of_the_readme() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    assert f"127.0.0.1:{DEFAULT_PORT}/_standin" in readme
    assert f"default: {DEFAULT_PORT}." in str(inspect.signature(local_commands.standin))
    assert inspect.signature(serve).parameters["port"].default == DEFAULT_PORT
