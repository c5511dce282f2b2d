"""One HTTP exchange with the Data Pipelines API; the only file that knows `requests`."""

from __future__ import annotations

import gzip
from collections.abc import Mapping
from http.cookiejar import DefaultCookiePolicy
from importlib.metadata import PackageNotFoundError, version
from typing import Any, NamedTuple, Protocol

import requests
from requests.adapters import HTTPAdapter

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import ApiKey
from cio_spark.delivery.deadline import Watchdog
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.delivery.http_connection import AbortHandle, abortable
from cio_spark.delivery.refusal_reason import describe, describe_redirect, retry_after_seconds

MAX_ANSWER_BYTES = 64 * 1024
GZIP_LEVEL = 1

try:
    USER_AGENT = f"cio-spark/{version('cio-spark')}"
except PackageNotFoundError:  # run from a folder that was never installed
    USER_AGENT = "cio-spark"


class BatchClient(Protocol):
    """What a lane sends through."""

    def post_batch(
        self, body: bytes, deadline_seconds: float, *, compress: bool = False, retry_count: int = 0
    ) -> Answer:
        """Make one exchange."""
        ...

    def abort(self) -> None:
        """End the exchange under way; callable from another thread."""
        ...

    def close(self) -> None:
        """Close the connection."""
        ...


class PipelinesClient:
    """Sends bodies over one kept-alive connection; for one thread at a time.

    The environment's proxies and certificate bundle are honoured; a netrc file cannot replace the key.

    Args:
        base_url: the API's address, ending in `/v1`.
        api_key: the key: user name of HTTP basic authentication, with a blank password.
        strict_mode: whether to ask for errors instead of silent drops.
        clock: measures, and reads Retry-After dates.
        watchdog: ends exchanges at their deadline; shared by the clients of a process.
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
        self._cord = AbortHandle()
        self._session = _open_session(self._cord, strict_mode)
        self._ready: dict[str, _Ready] = {}

    def post_batch(
        self, body: bytes, deadline_seconds: float, *, compress: bool = False, retry_count: int = 0
    ) -> Answer:
        """Send a body to `/batch`; see `post`."""
        return self.post("batch", body, deadline_seconds, compress=compress, retry_count=retry_count)

    def post(
        self, call: str, body: bytes, deadline_seconds: float, *, compress: bool = False, retry_count: int = 0
    ) -> Answer:
        """Make one exchange.

        Args:
            call: the last part of the path.
            body: UTF-8 JSON.
            deadline_seconds: hard limit from connecting to the last byte of the answer (the look-up of the host's
                name excepted, which only the system's resolver ends).
            compress: send it with gzip.
            retry_count: retries of this body before this one.

        Returns:
            What came of it. A status that has arrived counts, even if its body then breaks off.
        """
        sent = gzip.compress(body, GZIP_LEVEL, mtime=0) if compress else body
        headers = {"Content-Encoding": "gzip"} if compress else {}
        if retry_count:
            headers["X-Retry-Count"] = str(retry_count)
        started = self._clock.monotonic()
        self._cord.begin(deadline_seconds)
        try:
            with self._watchdog.watch(deadline_seconds, self._cord.cut):
                status, reason, wait = self._exchange(call, sent, headers, deadline_seconds)
                failure = None
        except OSError as error:  # of requests' own kind, but for certificates that are not where they should be
            status, wait = None, None
            failure, reason = self._failure_of(error, deadline_seconds)
        finally:
            self._cord.end()
        return Answer(
            status=status,
            reason=reason,
            retry_after_seconds=wait,
            failure=failure,
            elapsed_seconds=self._clock.monotonic() - started,
            compressed_bytes=len(sent) if compress else None,
        )

    def abort(self) -> None:
        """End the exchange under way, if any; from another thread."""
        self._cord.cut()

    def close(self) -> None:
        """Close the connection."""
        self._session.close()
        self._cord.end()

    def _exchange(
        self, call: str, sent: bytes, headers: Mapping[str, str], deadline_seconds: float
    ) -> tuple[int, str, float | None]:
        """Status, reason and Retry-After."""
        ready = self._ready.get(call) or self._make_ready(call)
        request = ready.request.copy()
        request.headers.update(headers)
        request.prepare_body(sent, None)
        with self._session.send(
            request, timeout=(deadline_seconds, deadline_seconds), allow_redirects=False, **ready.settings
        ) as response:
            if self._cord.is_cut:  # http.client takes headers that break off for complete ones
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
        """Prepares what all requests of a call have in common, once: it takes as long as sending one."""
        url = f"{self._base_url}/{call}"
        # Authentication is explicit, so it wins over a netrc file
        prepared = self._session.prepare_request(requests.Request("POST", url, auth=(self._api_key.reveal(), "")))
        settings = self._session.merge_environment_settings(str(prepared.url), {}, True, None, None)
        self._ready[call] = _Ready(prepared, settings)
        return self._ready[call]

    def _failure_of(self, error: OSError, deadline_seconds: float) -> tuple[Failure, str]:
        """Kind and reason by type alone: the messages of such errors may quote anything."""
        # A time-out while sending comes as a ConnectionError.
        if isinstance(error, requests.Timeout) or self._cord.is_cut or self._cord.seconds_left <= 0:
            return Failure.TIMEOUT, f"no answer within {deadline_seconds:g} s"
        cause = _deepest_cause(error)
        if isinstance(error, requests.ConnectionError | requests.exceptions.ChunkedEncodingError):
            return Failure.CONNECTION, f"no connection, or it broke off ({cause})"
        advice = "check api.base_url, and what the environment says of proxies and certificates (REQUESTS_CA_BUNDLE)"
        return Failure.REQUEST, f"the request could not be made ({cause}): {advice}"


class _Ready(NamedTuple):
    """A request without its body, and how the environment wants it sent.

    Attributes:
        request: with all headers that do not depend on the body.
        settings: proxies, certificates, and that the answer is read by us.
    """

    request: requests.PreparedRequest
    settings: Mapping[str, Any]


class _Session(requests.Session):
    """A session that follows nothing; `allow_redirects=False` alone still reads a redirect's whole body."""

    def get_redirect_target(self, resp: requests.Response) -> str | None:  # noqa: ARG002  the base class's signature
        """Nowhere."""
        return None


class _TiedAdapter(HTTPAdapter):
    """Makes its connections hang on a cord."""

    def __init__(self, cord: AbortHandle) -> None:
        self._cord = cord
        super().__init__(pool_connections=1, pool_maxsize=1)

    def get_connection_with_tls_context(self, *args: Any, **kwargs: Any) -> Any:
        """The pool for a request, with or without a proxy."""
        pool = super().get_connection_with_tls_context(*args, **kwargs)
        if "ConnectionCls" not in vars(pool):
            pool.ConnectionCls = abortable(self._cord, pool.ConnectionCls)  # type: ignore[attr-defined]
        return pool


def _open_session(cord: AbortHandle, strict_mode: bool) -> requests.Session:
    session = _Session()
    # Any cookie of a load balancer would tie a lane to one of its machines.
    session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    for scheme in ("https://", "http://"):
        session.mount(scheme, _TiedAdapter(cord))
    session.headers.update(
        {"User-Agent": USER_AGENT, "Content-Type": "application/json", "Accept-Encoding": "identity"}
    )
    if strict_mode:
        session.headers["X-Strict-Mode"] = "1"
    return session


def _read_bounded(response: requests.Response) -> bytes:
    """The body, or as much as is allowed and comes; leaving the `with` block then abandons the connection."""
    body = b""
    try:
        for chunk in response.iter_content(MAX_ANSWER_BYTES):
            body += chunk
            if len(body) >= MAX_ANSWER_BYTES:
                break
    except requests.RequestException:
        pass  # the status has come, and it decides
    return body


def _deepest_cause(error: BaseException) -> str:
    """The type at the end of the chain of causes."""
    while (cause := error.__cause__ or error.__context__) is not None:
        error = cause
    return type(error).__name__
