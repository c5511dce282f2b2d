"""Measures how many records a second the stand-in takes, with all checks on.

One client process sends prepared requests over several connections, and costs next to nothing.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import json
import multiprocessing
import random
import socket
import statistics
import threading
from multiprocessing.synchronize import Barrier
from urllib.parse import urlsplit

from rich.console import Console

from cio_spark.clock import SystemClock
from cio_spark.delivery.http_client import GZIP_LEVEL, USER_AGENT
from cio_spark.ids import ulid
from cio_spark.standin.process import StandInProcess

RECORDS_PER_REQUEST = 1_000
DIFFERENT_REQUESTS = 10
ASKED_PER_SECOND = 60_000

console = Console(width=110)


def main() -> None:
    """Measure some rounds, and print the median."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--requests", type=int, default=800, help="requests of a round, of 1,000 purchases each")
    parser.add_argument("--connections", type=int, default=8, help="connections that send at the same time")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--plain", action="store_true", help="send bodies uncompressed")
    chosen = parser.parse_args()
    rates = []
    with StandInProcess() as api:
        requests = _prepare(api, compress=not chosen.plain)
        for number in range(1, chosen.rounds + 1):
            rates.append(_measure(api, requests, chosen.requests // chosen.connections, chosen.connections))
            console.print(f"round {number} of {chosen.rounds}: {rates[-1]:,.0f} records/s")
    console.print(
        f"median {statistics.median(rates):,.0f} records/s over {chosen.connections} connections, "
        f"asked >= {ASKED_PER_SECOND:,}"
    )


def _prepare(api: StandInProcess, *, compress: bool) -> list[bytes]:
    """Return whole HTTP requests as the package sends them, with purchases like the demo's."""
    draws = random.Random(0)
    credentials = base64.b64encode(f"{api.api_key}:".encode()).decode()
    requests = []
    for _ in range(DIFFERENT_REQUESTS):
        body = b'{"batch":[%s]}' % b",".join(_purchase(draws) for _ in range(RECORDS_PER_REQUEST))
        sent = gzip.compress(body, GZIP_LEVEL, mtime=0) if compress else body
        lines = [
            "POST /v1/batch HTTP/1.1",
            "Host: 127.0.0.1",
            f"User-Agent: {USER_AGENT}",
            "Content-Type: application/json",
            "Accept-Encoding: identity",
            "Connection: keep-alive",
            "X-Strict-Mode: 1",
            f"Authorization: Basic {credentials}",
            f"Content-Length: {len(sent)}",
            *(["Content-Encoding: gzip"] if compress else []),
        ]
        requests.append("\r\n".join(lines).encode() + b"\r\n\r\n" + sent)
    return requests


def _purchase(draws: random.Random) -> bytes:
    """Return the JSON of one purchase, of about 360 bytes."""
    message = {
        "messageId": ulid(1_483_228_800_000, draws.getrandbits(80)),
        "type": "track",
        "userId": str(draws.randrange(1, 2_500)),
        "event": "Product Purchased",
        "timestamp": f"2017-{draws.randrange(1, 13):02}-{draws.randrange(1, 29):02}T11:53:26.000Z",
        "properties": {
            "basket_id": draws.randrange(31_198_437_603, 41_481_282_915),
            "product_id": draws.randrange(25_671, 18_316_298),
            "store_id": draws.randrange(27, 34_280),
            "quantity": 1,
            "sales_value": draws.randrange(10, 2_000) / 100,
            "brand": "National",
            "package_size": "22 OZ",
            "categories": ["GROCERY", "FROZEN PIZZA", "PIZZA/TRADITIONAL"],
            "discount": 0.0,
        },
    }
    return json.dumps(message, separators=(",", ":")).encode()


def _measure(api: StandInProcess, requests: list[bytes], requests_each: int, connections: int) -> float:
    """Return records per second of one round."""
    clock = SystemClock()
    client = multiprocessing.get_context("spawn")
    barrier = client.Barrier(2)
    process = client.Process(target=_send, args=(api.root_url, requests, requests_each, connections, barrier))
    process.start()
    barrier.wait()  # the client has started, and its connections are open
    began = clock.monotonic()
    process.join()
    seconds = clock.monotonic() - began
    received = api.summary()["messages"]
    api.clear()
    if process.exitcode or received != requests_each * connections * RECORDS_PER_REQUEST:
        raise SystemExit(f"the stand-in took {received:,} records, and the client ended with {process.exitcode}")
    return float(received) / seconds


def _send(root_url: str, requests: list[bytes], requests_each: int, connections: int, barrier: Barrier) -> None:
    address = urlsplit(root_url)
    opened = [socket.create_connection((address.hostname, address.port or 0)) for _ in range(connections)]
    barrier.wait()
    threads = [threading.Thread(target=_send_over, args=(one, requests, requests_each)) for one in opened]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def _send_over(connection: socket.socket, requests: list[bytes], requests_each: int) -> None:
    for number in range(requests_each):
        connection.sendall(requests[number % len(requests)])
        answer = connection.recv(4_096)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise SystemExit(f"the stand-in answered {answer[:80]!r}")


if __name__ == "__main__":
    main()
