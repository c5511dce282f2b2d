"""Makes HTTP exchanges with the Data Pipelines API; it is the only file of this folder that imports `requests`."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from typing import Any, NamedTuple, Protocol

import requests
from requests.adapters import HTTPAdapter

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey
from cio_spark.delivery.deadline import Watchdog
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.http_connection import AbortHandle, abortable
from cio_spark.delivery.refusal_reason import describe, describe_redirect
from cio_spark.delivery.retry_after import retry_after_seconds
from cio_spark.version import VERSION

MAX_ANSWER_BYTES = 64 * 1024
GZIP_LEVEL = 1
USER_AGENT = f"cio-spark/{VERSION}"


class BatchClient(Protocol):
    """Describes the client that a lane uses to send."""

    def post_batch(
        self, body: bytes, deadline_seconds: float, *, compress: bool = False, retry_count: int = 0
    ) -> Answer:
        """Send a batch in one exchange."""
        ...

    def abort(self) -> None:
        """End the current exchange; another thread may call this."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class PipelinesClient:
    """Sends bodies over one kept-alive connection; only one thread at a time may send.

    The environment's proxies and certificate bundle are honoured; a netrc file cannot replace the key.

    Args:
        base_url: the API's address, ending in `/v1`.
        api_key: the key, sent as the user name of HTTP basic authentication with an empty password.
        strict_mode: whether to ask the API for errors instead of silent drops.
        clock: measures durations, and gives the time from which Retry-After dates are counted.
        watchdog: ends exchanges at their deadline; the clients of a process share it.
    """

    def __init__(
        self,
        base_url: str,
        api_key: ApiKey,
        *,
        strict_mode: bool = True,
        clock: Clock | None = None,
        watchdog: Watchdog | None = None,
    ) -> None:
        self._base_url = base_url.rstrip("/")
        self._api_key = api_key
        self._clock = clock or SystemClock()
        self._watchdog = watchdog or Watchdog()
        self._abort_handle = AbortHandle()
        self._session = _open_session(self._abort_handle, strict_mode)
        self._ready: dict[str, _Ready] = {}

    def post_batch(
        self, body: bytes, deadline_seconds: float, *, compress: bool = False, retry_count: int = 0
    ) -> Answer:
        """Send a body to `/batch`; see `post`."""
        return self.post("batch", body, deadline_seconds, compress=compress, retry_count=retry_count)

    def post(
        self, call: str, body: bytes, deadline_seconds: float, *, compress: bool = False, retry_count: int = 0
    ) -> Answer:
        """Send a body in one exchange.

        Args:
            call: last part of the path, for example `batch`.
            body: UTF-8 JSON.
            deadline_seconds: hard limit from connecting to the last byte of the answer. Only the look-up of the host's
                name may take longer, because only the system's resolver can end it.
            compress: whether to send the body with gzip.
            retry_count: earlier tries of this body.

        Returns:
            The answer. A status that has arrived counts, even if its body then breaks off.
        """
        sent = gzip.compress(body, GZIP_LEVEL, mtime=0) if compress else body
        headers = {"Content-Encoding": "gzip"} if compress else {}
        if retry_count:
            headers["X-Retry-Count"] = str(retry_count)
        started = self._clock.monotonic()
        self._abort_handle.begin(deadline_seconds)
        try:
            with self._watchdog.watch(deadline_seconds, self._abort_handle.cut):
                status, reason, wait = self._exchange(call, sent, headers, deadline_seconds)
                failure = None
        except OSError as error:  # an error of `requests`, or a plain one if a certificate file is missing
            status, wait = None, None
            failure, reason = self._failure_of(error, deadline_seconds)
        finally:
            self._abort_handle.end()
        return Answer(
            status=status,
            reason=reason,
            retry_after_seconds=wait,
            failure=failure,
            elapsed_seconds=self._clock.monotonic() - started,
            compressed_bytes=len(sent) if compress else None,
        )

    def abort(self) -> None:
        """End the current exchange, if there is one; another thread may call this."""
        self._abort_handle.cut()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
        self._abort_handle.end()

    def _exchange(
        self, call: str, sent: bytes, headers: Mapping[str, str], deadline_seconds: float
    ) -> tuple[int, str, float | None]:
        """Make the exchange, and return its status, its reason and the wait of Retry-After in seconds."""
        ready = self._ready.get(call) or self._make_ready(call)
        request = ready.request.copy()
        request.headers.update(headers)
        request.prepare_body(sent, None)
        with self._session.send(
            request, timeout=(deadline_seconds, deadline_seconds), allow_redirects=False, **ready.settings
        ) as response:
            if self._abort_handle.is_cut:  # http.client accepts headers that break off as complete
                raise requests.Timeout
            status = response.status_code
            body = _read_bounded(response)
            if 200 <= status < 300:
                return status, "", None
            wait = retry_after_seconds(response.headers.get("Retry-After"), self._clock.now())
            if 300 <= status < 400:
                return status, describe_redirect(response.headers.get("Location")), wait
            return status, describe(status, body).replace(self._api_key.reveal(), str(self._api_key)), wait

    def _make_ready(self, call: str) -> _Ready:
        """Prepare once what all requests of a call have in common: preparing takes as long as sending a request."""
        url = f"{self._base_url}/{call}"
        # Authentication is explicit, so it wins over a netrc file
        prepared = self._session.prepare_request(requests.Request("POST", url, auth=(self._api_key.reveal(), "")))
        settings = self._session.merge_environment_settings(str(prepared.url), {}, True, None, None)
        self._ready[call] = _Ready(prepared, settings)
        return self._ready[call]

    def _failure_of(self, error: OSError, deadline_seconds: float) -> tuple[Failure, str]:
        """Return kind and reason of a failure by the error's type alone: messages of such errors may quote anything."""
        # A time-out while sending is raised as a ConnectionError.
        if isinstance(error, requests.Timeout) or self._abort_handle.is_cut or self._abort_handle.seconds_left <= 0:
            return Failure.TIMEOUT, f"no answer within {deadline_seconds:g} s"
        cause = _deepest_cause(error)
        if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
            return Failure.CONNECTION, f"no connection, or it broke off ({cause})"
        advice = "check api.base_url, and what the environment says of proxies and certificates (REQUESTS_CA_BUNDLE)"
        return Failure.REQUEST, f"the request could not be made ({cause}): {advice}"


class _Ready(NamedTuple):
    """Holds a request without its body, and the environment's settings for sending it.

    Attributes:
        request: the request, with all headers that do not depend on the body.
        settings: proxies, certificates, and `stream`, so that this file reads the answer's body itself.
    """

    request: requests.PreparedRequest
    settings: Mapping[str, Any]


class _Session(requests.Session):
    """Follows no redirect; with `allow_redirects=False` alone, `requests` would still read a redirect's whole body."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  the base class's signature
        """Return None: no redirect is followed."""
        return None


class _AbortableAdapter(HTTPAdapter):
    """Opens connections that an `AbortHandle` can cut."""

    def __init__(self, abort_handle: AbortHandle) -> None:
        self._abort_handle = abort_handle
        super().__init__(pool_connections=1, pool_maxsize=1)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """Return the connection pool for a request, with or without a proxy; its connections can be cut."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = abortable(self._abort_handle, pool.ConnectionCls)  # type: ignore[attr-defined]
        return pool


def _open_session(abort_handle: AbortHandle, strict_mode: bool) -> requests.Session:
    session = _Session()
    # Any cookie of a load balancer would tie a lane to one of its machines.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _AbortableAdapter(abort_handle))
    session.headers.update(
        {"User-Agent": USER_AGENT, "Content-Type": "application/json", "Accept-Encoding": "identity"}
    )
    if strict_mode:
        session.headers["X-Strict-Mode"] = "1"
    return session


def _read_bounded(response: requests.Response) -> bytes:
    """Read the body, or as much of it as is allowed and arrives.

    If the body is not read to its end, leaving the `with` block abandons the connection.
    """
    body = b""
    try:
        for chunk in response.iter_content(MAX_ANSWER_BYTES):
            body += chunk
            if len(body) >= MAX_ANSWER_BYTES:
                break
    except requests.RequestException:
        pass  # the status has arrived, and it decides
    return body


def _deepest_cause(error: BaseException) -> str:
    """Return the name of the error type at the end of the chain of causes."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return type(error).__name__
