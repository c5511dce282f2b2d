"""Provides settings, rows, and clients without a network for the tests of the delivery."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import Any

import pyarrow as pa

from cio_spark.clock import Clock, FakeClock
from cio_spark.config import ApiKey, ErrorHandlingStrategy
from cio_spark.delivery import (
    DeliverySettings,
    OutcomeGroup,
    PreparedRow,
    ProbeSettings,
    ProcessState,
    deliver_partition,
)
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.records import record_batch
from cio_spark.standin import StandIn


def settings_for(url: str = "http://127.0.0.1:9/v1", **changes: Any) -> DeliverySettings:
    """Return settings that suit most tests: small batches, and no wait between requests."""
    usual: dict[str, Any] = {
        "base_url": url,
        "api_key": ApiKey("standin-key"),
        "strict_mode": True,
        "compress": False,
        "run_id": "run",
        "operation_type": "event_processing",
        "wave": 2,
        "lanes": 1,
        "seconds_between_requests": 0.0,
        "max_records": 10,
        "max_bytes": 500_000,
        "one_item_per_request": False,
        "retry_attempts": 3,
        "retry_backoff_seconds": 2.0,
        "timeout_seconds": 30,
        "error_handling": ErrorHandlingStrategy.RETRY_WITH_BACKOFF,
        "hold_person_after_failure": False,
        "sample_resources": False,
    }
    return DeliverySettings(**{**usual, **changes})


def probe_settings_for(url: str, key: str = "standin-key") -> ProbeSettings:
    """Settings of the request before a run."""
    return ProbeSettings(url, ApiKey(key), strict_mode=True, timeout_seconds=30)


def row(number: int, person: int | None = None, lane: int = 0, **changes: Any) -> PreparedRow:
    """Return the row of a valid event, whose ids contain the number and the person."""
    who = f"person-{number if person is None else person}"
    event = {"type": "track", "userId": who, "event": "Order Placed", "messageId": f"id-{number}"}
    payload = json.dumps(event, separators=(",", ":"))
    full = PreparedRow(
        lane, f"{payload},", len(payload), f"r-{number}", who, f"id-{number}", number, source_hash=number + 100
    )
    return full._replace(**changes)


def chunks(rows: Iterable[tuple[Any, ...]], size: int = 1) -> Iterator[pa.RecordBatch]:
    """Yield the rows in chunks, as Spark hands them over, and read each row only when it is needed."""
    unread = iter(rows)
    while chunk := list(islice(unread, size)):
        yield record_batch(chunk)


def column(group: OutcomeGroup, name: str) -> list[Any]:
    """Return a column of the records of a group."""
    found: list[Any] = group.records.column(name).to_pylist()
    return found


def deliver(
    settings: DeliverySettings,
    rows: Iterable[tuple[Any, ...]],
    clock: Clock | None = None,
    client_factory: Callable[[], Any] | None = None,
    rows_per_chunk: int = 7,
    process: ProcessState | None = None,
) -> list[OutcomeGroup]:
    """Deliver rows as partition 7, and return the groups.

    Without `process`, the function makes a process state of its own and closes its connections at the end.
    """
    clock = process.clock if process is not None else clock or FakeClock()
    state = process or ProcessState(settings, clock, client_factory)
    try:
        return list(deliver_partition(7, chunks(rows, rows_per_chunk), settings, clock=clock, process=state))
    finally:
        if process is None:
            state.close()


def fates(groups: Iterable[OutcomeGroup]) -> dict[str, str]:
    """Return the status of each record by its id, and fail if a record occurs twice."""
    found: dict[str, str] = {}
    for group in groups:
        for record_id in column(group, "record_id"):
            assert record_id is not None
            assert record_id not in found
            found[record_id] = group.status
    return found


def codes(groups: Iterable[OutcomeGroup]) -> dict[str, tuple[str, str | None]]:
    """Return the status and the error code of each record by its id."""
    return {record_id: group[:3:2] for group in groups for record_id in column(group, "record_id")}


def numbers(body: bytes) -> list[int]:
    """Return the numbers of the rows in a body, in order."""
    return [int(item["messageId"].removeprefix("id-")) for item in json.loads(body)["batch"]]


def statuses(api: StandIn) -> list[int | None]:
    """Return the statuses that the stand-in has answered with, in order."""
    return [request["status"] for request in api.received.requests()]


class ScriptedClient:
    """Answers from a list, repeats the last answer for ever, and uses no network."""

    def __init__(self, *answers: Answer) -> None:
        self._answers = answers or (Answer(200),)
        self.bodies: list[bytes] = []
        self.retry_counts: list[int] = []
        self.closed = False

    def post_batch(
        self, body: bytes, deadline_seconds: float, *, compress: bool = False, retry_count: int = 0
    ) -> Answer:
        assert deadline_seconds > 0
        assert not compress
        self.bodies.append(body)
        self.retry_counts.append(retry_count)
        return self._answers[min(len(self.bodies), len(self._answers)) - 1]

    def abort(self) -> None:
        pass

    def close(self) -> None:
        self.closed = True


class JudgingClient(ScriptedClient):
    """Answers what a function decides about the rows in a request, and notes the time of each request."""

    def __init__(self, judge: Callable[[list[int]], Answer], clock: Clock | None = None) -> None:
        super().__init__()
        self._judge = judge
        self._clock = clock or FakeClock()
        self.requests: list[list[int]] = []
        self.accepted: list[int] = []
        self.times: list[float] = []

    def post_batch(self, body: bytes, *args: Any, **options: Any) -> Answer:
        super().post_batch(body, *args, **options)
        self.requests.append(numbers(body))
        self.times.append(self._clock.monotonic())
        answer = self._judge(self.requests[-1])
        if answer.is_success:
            self.accepted += self.requests[-1]
        return answer


def refusing(bad: Iterable[int], status: int = 400) -> Callable[[list[int]], Answer]:
    """Return a function that refuses every request with one of these rows."""
    unwanted = frozenset(bad)
    return lambda found: Answer(status, "bad") if unwanted & set(found) else Answer(200)
