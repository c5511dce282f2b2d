"""Sends rows in memory with the official Python client, used as its documentation says."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from customerio.analytics import Client
from sink import API_KEY, Sink

from cio_spark.clock import SystemClock

Event = tuple[str, str, str, datetime, dict[str, Any]]
"""An event: record id, person, name of the event, time, properties."""


def send_with_client(events: list[Event], sink: Sink, *, records_per_request: int) -> float:
    """Send events with one client in one process.

    Args:
        events: the events to send.
        sink: the sink that receives them.
        records_per_request: number of records in one request of our sync, so that both make the same number of
            requests.

    Returns:
        seconds from the first call until the sink has answered the last request.

    Raises:
        SystemExit: an event was not sent, so the figure would be worthless.
    """
    errors: list[Exception] = []
    before = sink.requests()
    clock = SystemClock()
    began = clock.monotonic()
    client = Client(
        API_KEY,
        host=sink.root_url,
        gzip=False,
        max_queue_size=len(events),
        upload_size=records_per_request,
        on_error=lambda error, _: errors.append(error),
    )
    refused = 0
    for record_id, person, event, at, properties in events:
        queued, _ = client.track(person, event, properties, timestamp=at, message_id=record_id)
        refused += not queued
    client.flush()
    seconds = clock.monotonic() - began
    client.join()
    answered = sink.requests() - before
    if errors or refused or answered < len(events) / records_per_request:
        raise SystemExit(f"the client lost events: {refused} not queued, {len(errors)} errors, {answered} requests")
    return seconds
