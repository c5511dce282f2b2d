"""Provides the class by which tests and users start the stand-in, script it and ask it what it received."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from cio_spark.clock import Clock, SystemClock
from cio_spark.standin.contract import Contract, ErrorShape
from cio_spark.standin.faults import Fault, FaultScript
from cio_spark.standin.http_server import StandInHTTPServer
from cio_spark.standin.inspection import Inspection
from cio_spark.standin.received import Received
from cio_spark.standin.reception import Reception
from cio_spark.standin.store import Store
from cio_spark.standin.traffic import Traffic

DEFAULT_API_KEY = "standin-key"


class StandIn:
    """Runs an HTTP server that behaves as Customer.io's Data Pipelines API, and can tell what it received.

    `with StandIn() as api:` serves at `api.url`. The stand-in can still tell what it received after it has stopped.

    Args:
        api_key: the API key that is accepted.
        host: address to listen on; the default is loopback.
        port: port to listen on; 0 for any free port at every start.
        store: SQLite file for what is received; an existing file is continued. None for memory.
        seed: seed of the draws for `Fault.share`.
        clock: source of time; None for the system's clock.
        max_requests_per_3_seconds: most requests in any 3 seconds; further ones are answered 429 and not kept. None for
            no limit.
        rate_retry_after: value of the Retry-After header of those answers; None for no header.
        strict_covers_size: see `Contract`, also for all arguments that follow.
        oversize_status: HTTP status for a message or body that is too large, in strict mode.
        keep_good_items_on_400: whether the valid messages of a refused batch count as received.
        accept_gzip: whether compressed bodies are read.
        gzip_refused_status: HTTP status for compressed bodies that are not read, in strict mode.
        error_shape: shape of an error body.
        alias_in_batch: whether a batch may carry aliases.
    """

    def __init__(
        self,
        *,
        api_key: str = DEFAULT_API_KEY,
        host: str = "127.0.0.1",
        port: int = 0,
        store: Path | None = None,
        seed: int = 0,
        clock: Clock | None = None,
        max_requests_per_3_seconds: int | None = None,
        rate_retry_after: str | None = None,
        strict_covers_size: bool = True,
        oversize_status: int = 400,
        keep_good_items_on_400: bool = False,
        accept_gzip: bool = True,
        gzip_refused_status: int = 415,
        error_shape: ErrorShape = "errors",
        alias_in_batch: bool = True,
    ) -> None:
        contract = Contract(
            strict_covers_size=strict_covers_size,
            oversize_status=oversize_status,
            keep_good_items_on_400=keep_good_items_on_400,
            accept_gzip=accept_gzip,
            gzip_refused_status=gzip_refused_status,
            error_shape=error_shape,
            alias_in_batch=alias_in_batch,
        )
        self.api_key = api_key
        self._host, self._port = host, port
        self._clock = clock or SystemClock()
        tables = Store(store)
        self._script = FaultScript(seed)
        self.received = Received(tables)
        self.traffic = Traffic(self._clock, max_requests_per_3_seconds)
        self._reception = Reception(
            api_key, contract, self._script, tables, self.traffic, self._clock, rate_retry_after
        )
        self._inspection = Inspection(self.received, self._script, self.traffic)
        self._server: StandInHTTPServer | None = None

    @property
    def root_url(self) -> str:
        """The server's address without a path, `http://HOST:PORT`; `/_standin/` is below it.

        Raises:
            RuntimeError: the stand-in is not running.
        """
        if self._server is None:
            raise RuntimeError("the stand-in is not running")
        return f"http://{self._server.server_name}:{self._server.server_port}"

    @property
    def url(self) -> str:
        """The API's base address, `http://HOST:PORT/v1`."""
        return f"{self.root_url}/v1"

    def script(self, *faults: Fault) -> None:
        """Add faults to those in force; they apply to the requests that arrive from now on."""
        self._script.extend(faults)

    def clear_faults(self) -> None:
        """Remove all faults, so that the stand-in behaves well from now on."""
        self._script.clear()

    def clear(self) -> None:
        """Delete what was received and counted; the faults stay."""
        self.received.clear()
        self.traffic.clear()

    def start(self) -> StandIn:
        """Start to listen; do nothing if the stand-in is running already.

        Raises:
            ConfigurationError: the address or port cannot be used.
        """
        if self._server is None:
            self._server = StandInHTTPServer(self._host, self._port, self._reception, self._inspection, self._clock)
        return self

    def stop(self) -> None:
        """End all connections and threads; this may be called twice, and `start` may be called afterwards."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
