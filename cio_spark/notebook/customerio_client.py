"""Provides a client for notebooks and scripts, which sends a few records and raises an exception if that fails."""

from __future__ import annotations

import json
import threading
import uuid
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey, Region
from cio_spark.config.addresses import CLEAR_TEXT, crosses_network_in_clear_text
from cio_spark.config.api_limits import MAX_BODY_BYTES, MAX_ITEM_BYTES
from cio_spark.config.sections import REGION_URLS
from cio_spark.delivery.batching import Batch, BatchBuilder, BatchLimit
from cio_spark.delivery.classification import ErrorCategory, Verdict
from cio_spark.delivery.compression import Compression
from cio_spark.delivery.http_client import PipelinesClient
from cio_spark.delivery.pacing import RateSchedule
from cio_spark.delivery.records import PreparedRow, record_batch
from cio_spark.delivery.retry import RetryPolicy
from cio_spark.delivery.sending import Sender
from cio_spark.delivery.stop import Stop, StopCode
from cio_spark.errors import (
    ApiRefusedError,
    AuthenticationError,
    ConfigurationError,
    CustomerIOError,
    NetworkError,
    RateLimitError,
    ValidationError,
)
from cio_spark.notebook.request_log import RequestLog

MAX_RECORDS = 10_000
SECONDS_BETWEEN_REQUESTS = 0.001  # 3000 requests per 3 seconds (OpenAPI, "Rate and payload limits")

_ERRORS: Mapping[ErrorCategory, type[CustomerIOError]] = {
    ErrorCategory.RATE_LIMIT: RateLimitError,
    ErrorCategory.NETWORK: NetworkError,
    ErrorCategory.TIMEOUT: NetworkError,
    ErrorCategory.SERVER: NetworkError,
    ErrorCategory.VALIDATION: ValidationError,
    ErrorCategory.TOO_LARGE: ValidationError,
    ErrorCategory.AUTHENTICATION: AuthenticationError,
}


class Connection(NamedTuple):
    """Holds the address to which a client's requests go, and the API key that they carry."""

    base_url: str
    api_key: ApiKey


class CustomerIOClient:
    """Sends records from the driver; for tables use `run_sync`.

    Several threads may use one client: it sends the batches of one call at a time.

    Args:
        api_key: the API key.
        region: `us` or `eu`.
        timeout: hard deadline of one request, in seconds.
        max_retries: most tries after the first one, for requests that failed transiently.
        retry_backoff_factor: base of the exponential backoff, in seconds.
        enable_logging: whether each request is logged as `customerio_batch_accepted`, `…_retried`, `…_refused` or
            `…_failed`, with counts, status and code; never with payload, persons, the key or the API's own words.
        spark_session: ignored; accepted so that calls written for the notebook's client keep working.
        base_url: an address that replaces the region's, ending in `/v1`; None for the region's.
        insecure: whether to accept a `base_url` that starts with `http://` and leads to another machine.
        clock: source of time; None for the system's clock.

    Attributes:
        connection: address and key of the requests.

    Raises:
        ConfigurationError: the region is unknown, the address has no encryption, or the key cannot be a valid one.
    """

    def __init__(
        self,
        api_key: str | ApiKey,
        region: str = "us",
        timeout: float = 30,
        max_retries: int = 3,
        retry_backoff_factor: float = 2.0,
        enable_logging: bool = True,
        spark_session: object = None,  # noqa: ARG002  see the docstring
        base_url: str | None = None,
        *,
        insecure: bool = False,
        clock: Clock | None = None,
    ) -> None:
        if base_url is not None and not insecure and crosses_network_in_clear_text(base_url):
            raise ConfigurationError.of("base_url", CLEAR_TEXT.format(insecure="insecure=True"))
        clock = clock or SystemClock()
        key = api_key if isinstance(api_key, ApiKey) else ApiKey(api_key)
        self._log = RequestLog(enable_logging)
        self._lock = threading.Lock()
        self.connection = Connection(base_url or _address_of(region), key)
        self._client = PipelinesClient(*self.connection, clock=clock)
        self._sender = Sender(
            self._client,
            RateSchedule(SECONDS_BETWEEN_REQUESTS, clock),
            Compression(wanted=False, strict_mode=True),
            RetryPolicy(max_retries, retry_backoff_factor),
            timeout,
            Stop(clock),
            clock,
            between_tries=self._log.between_tries,
        )

    def batch(self, requests: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
        """Send calls, each with its `type`, in as few requests as the limits allow.

        Args:
            requests: the calls; those without a `messageId` get a random one.

        Returns:
            `{"success": True, "processed": records, "requests": batches}`.

        Raises:
            ValidationError: a call is not JSON or is too large (then nothing was sent), or the API refused a batch.
            AuthenticationError, RateLimitError, NetworkError, CustomerIOError: a batch was not accepted; the batches
                before it were accepted, and those after it were not sent.
        """
        try:
            batches = list(_batches(requests))
        except ValidationError:
            self._log.refuse(len(requests))
            raise
        accepted = 0
        with self._lock:
            for batch in batches:
                self._log.begin(batch)
                sending = self._sender.send(batch.body())
                self._log.end(sending, len(requests) - accepted - batch.size)
                verdict = sending.verdict
                if verdict is None or not verdict.accepted:
                    raise _error(verdict, accepted)
                accepted += batch.size
        return {"success": True, "processed": accepted, "requests": len(batches)}

    def identify(self, user_id: str, traits: Mapping[str, Any] | None = None, **members: Any) -> dict[str, Any]:
        """Add or update a person; see `batch`.

        Args:
            user_id: id of the person.
            traits: attributes of the person; None for none.
            members: further members of the call, such as `timestamp`.
        """
        return self.batch([{"type": "identify", "userId": user_id, "traits": dict(traits or {}), **members}])

    def track(
        self, user_id: str, event: str, properties: Mapping[str, Any] | None = None, **members: Any
    ) -> dict[str, Any]:
        """Record an event of a person; see `batch`.

        Args:
            user_id: id of the person.
            event: name of the event.
            properties: properties of the event; None for none.
            members: further members of the call, such as `timestamp`.
        """
        call = {"type": "track", "userId": user_id, "event": event, "properties": dict(properties or {}), **members}
        return self.batch([call])

    def close(self) -> None:
        """Close the connection."""
        self._client.close()

    def __enter__(self) -> CustomerIOClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _address_of(region: str) -> str:
    try:
        return REGION_URLS[Region(region)]
    except ValueError:
        raise ConfigurationError.of("region", f"found {region!r}, allowed: {', '.join(Region)}") from None


def _batches(requests: Sequence[Mapping[str, Any]]) -> Iterator[Batch]:
    rows = []
    for position, request in enumerate(requests):
        message_id = str(request.get("messageId") or uuid.uuid4().hex)
        payload = _json({**request, "messageId": message_id}, position)
        size = len(payload.encode())
        if size > MAX_ITEM_BYTES:
            raise ValidationError(f"request {position} has {size} bytes; the API takes {MAX_ITEM_BYTES}")
        rows.append(PreparedRow(0, f"{payload},", size, None, None, message_id, None))
    builder, limit = BatchBuilder(), BatchLimit(MAX_RECORDS, MAX_BODY_BYTES)
    builder.add(record_batch(rows))
    yield from iter(lambda: builder.take(limit), None)


def _json(request: Mapping[str, Any], position: int) -> str:
    """Return a request as compact JSON; errors do not quote values."""
    try:
        text = json.dumps(request, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
        text.encode()
    except (TypeError, ValueError, RecursionError):
        raise ValidationError(f"request {position} is no JSON: NaN, Infinity or a type JSON does not have") from None
    return text


def _error(verdict: Verdict | None, accepted: int) -> CustomerIOError:
    if verdict is None:
        return CustomerIOError("nothing was sent")
    kind = _ERRORS.get(verdict.category, CustomerIOError) if verdict.category is not None else CustomerIOError
    if verdict.rule.stop_code is StopCode.REFUSED_BY_API:
        kind = ApiRefusedError
    before = f" ({accepted} records before it were accepted)" if accepted else ""
    return kind(f"{verdict.answer.brief}{before}", verdict.answer.status, verdict.answer.reason)
