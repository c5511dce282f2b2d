"""Provides messages for the tests of the stand-in, and functions that send them over real HTTP."""

from __future__ import annotations

import base64
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

import requests

from cio_spark.standin import Fault, StandIn


def event(number: int = 1, **members: Any) -> dict[str, Any]:
    """Return a valid track event."""
    return {
        "type": "track",
        "userId": f"person-{number}",
        "event": "Order Placed",
        "messageId": f"id-{number}",
        "timestamp": "2026-01-31T12:00:00.000Z",
        "properties": {"amount": number},
        **members,
    }


def post(
    api: StandIn,
    body: bytes,
    call: str = "batch",
    *,
    strict: bool = True,
    key: str | None = None,
    headers: dict[str, str] | None = None,
    timeout: float = 10,
    stream: bool = False,
) -> requests.Response:
    """Send exactly these bytes."""
    sent = {"X-Strict-Mode": "1", **(headers or {})} if strict else (headers or {})
    auth = (api.api_key if key is None else key, "")
    return requests.post(
        f"{api.url}/{call}", body, auth=auth, headers=sent, timeout=timeout, stream=stream, allow_redirects=False
    )


def send(api: StandIn, *messages: Any, **options: Any) -> requests.Response:
    """Send a batch of these messages."""
    return post(api, json.dumps({"batch": messages}, separators=(",", ":")).encode(), **options)


def batch_of_size(size_bytes: int) -> bytes:
    """Return a valid batch body of exactly this many bytes, with small messages."""
    messages: list[str] = []
    room = size_bytes - len('{"batch":[]}')
    while room > 20_000:
        messages.append(json.dumps(event(len(messages), properties={"filler": "x" * 9_000}), separators=(",", ":")))
        room -= len(messages[-1]) + 1
    rest = json.dumps(event(len(messages), properties={"filler": "FILL"}), separators=(",", ":"))
    messages.append(rest.replace("FILL", "x" * (room - len(rest) + 4)))
    return f'{{"batch":[{",".join(messages)}]}}'.encode()


def message_of_size(size_bytes: int, filler: str = "x") -> dict[str, Any]:
    """Return a valid event of exactly this many bytes of compact UTF-8 JSON."""
    frame = len(json.dumps(event(properties={"filler": ""}), separators=(",", ":")))
    count, odd = divmod(size_bytes - frame, len(filler.encode()))
    return event(properties={"filler": filler * count + "x" * odd})


def connect(api: StandIn, timeout: float = 10) -> socket.socket:
    """Open a bare connection to the stand-in."""
    address = urlsplit(api.url)
    assert address.hostname is not None
    return socket.create_connection((address.hostname, address.port or 0), timeout=timeout)


@contextmanager
def held_request(api: StandIn, *persons: str, fault: Fault | None = None) -> Iterator[socket.socket]:
    """Keep a request for these persons in flight during the block.

    The server has received the request when the block starts. The client closes the connection when the block ends.
    """
    api.script(fault or Fault(latency_seconds=60, times=1))
    before = len(api.received.requests())
    body = json.dumps({"batch": [event(userId=person) for person in persons]}).encode()
    with connect(api) as connection:
        head = (
            f"POST /v1/batch HTTP/1.1\r\nHost: x\r\nAuthorization: {basic(api.api_key)}\r\nContent-Length: {len(body)}"
        )
        connection.sendall(head.encode() + b"\r\n\r\n" + body)
        while len(api.received.requests()) == before:
            pass
        yield connection


def basic(key: str) -> str:
    """Return the value of the Authorization header for a key."""
    return "Basic " + base64.b64encode(f"{key}:".encode()).decode()
