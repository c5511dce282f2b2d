"""Sends the same events with a Spark job as people write it by hand: no record of anything is kept.

It uses `foreachPartition`, `json.dumps` and `requests.Session`, in batches, and raises an error if a request fails.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import requests
from pyspark import cloudpickle
from pyspark.sql import DataFrame, Row
from sink import API_KEY, Sink

from cio_spark.clock import SystemClock

TIMEOUT_SECONDS = 30
# The workers cannot import this file, so its functions travel in the closure
cloudpickle.register_pickle_by_value(sys.modules[__name__])  # type: ignore[no-untyped-call]  # it has no types


def send_with_spark_job(rows: DataFrame, sink: Sink, *, events: int, records_per_request: int, parallel: int) -> float:
    """Send the rows.

    Args:
        rows: the events.
        sink: the sink that receives them.
        events: number of rows.
        records_per_request: number of records in one request.
        parallel: number of requests in flight, in all tasks together.

    Returns:
        seconds of the job.

    Raises:
        SystemExit: the sink has answered too few requests, so the figure would be worthless.
    """
    slots = rows.sparkSession.sparkContext.defaultParallelism
    send = partial(
        _send_partition,
        url=f"{sink.root_url}/v1/batch",
        records_per_request=records_per_request,
        parallel=max(1, parallel // slots),
    )
    before = sink.requests()
    clock = SystemClock()
    began = clock.monotonic()
    rows.foreachPartition(send)
    seconds = clock.monotonic() - began
    answered = sink.requests() - before
    if answered < events / records_per_request:
        raise SystemExit(f"the Spark job lost events: {answered} requests for {events:,} events")
    return seconds


def _send_partition(rows: Iterable[Row], *, url: str, records_per_request: int, parallel: int) -> None:
    """Send the rows of one partition; each of the parallel senders has a session of its own."""
    sessions = [requests.Session() for _ in range(parallel)]
    for session in sessions:
        session.auth = (API_KEY, "")
    batches = _batches(iter(rows), records_per_request)
    with ThreadPoolExecutor(parallel) as pool:
        while bodies := list(islice(batches, parallel)):
            # `list` raises the error of a request that failed
            list(pool.map(partial(_send, url), sessions, bodies))


def _batches(rows: Iterator[Row], size: int) -> Iterator[str]:
    """Yield the bodies of the requests."""
    while batch := [_event(row) for row in islice(rows, size)]:
        yield json.dumps({"batch": batch})


def _event(row: Row) -> dict[str, object]:
    return {
        "type": "track",
        "messageId": row["order_id"],
        "userId": row["customer_id"],
        "event": "Order Placed",
        "timestamp": row["ordered_at"].isoformat(),
        "properties": {
            "amount": float(row["amount"]),
            "quantity": row["quantity"],
            "store": row["store"],
            "aisle": row["aisle"],
            "receipt": row["receipt"],
            "currency": "EUR",
        },
    }


def _send(url: str, session: requests.Session, body: str) -> None:
    answer = session.post(url, data=body, headers={"Content-Type": "application/json"}, timeout=TIMEOUT_SECONDS)
    answer.raise_for_status()
