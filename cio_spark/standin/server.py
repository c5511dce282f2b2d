"""The stand-in as tests and users hold it."""

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
    """An HTTP server on loopback that behaves as Customer.io's Data Pipelines API, and can be asked what it got.

    `with StandIn() as api:` serves at `api.url`. What it received can still be asked after it has stopped.

    Args:
        api_key: the key that is right.
        host: address to listen on.
        port: 0 chooses a free one at every start.
        store: SQLite file for what is received, continued if it exists; None: memory.
        seed: of the draws for `Fault.share`.
        clock: time.
        max_requests_per_3_seconds: more are answered 429 and not kept; None: no limit.
        rate_retry_after: the Retry-After header of those.
        strict_covers_size: see `Contract`, as for all that follow.
        oversize_status: status of what is too large, in strict mode.
        keep_good_items_on_400: whether a refused batch's valid messages are received.
        accept_gzip: whether compressed bodies are read.
        gzip_refused_status: status if not, in strict mode.
        error_shape: shape of a 4xx body.
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
        """`http://HOST:PORT`, where `/_standin/` is.

        Raises:
            RuntimeError: it has not been started.
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
        """Behave well from now on."""
        self._script.clear()

    def clear(self) -> None:
        """Forget what was received and counted; the faults stay."""
        self.received.clear()
        self.traffic.clear()

    def start(self) -> StandIn:
        """Listen; a stand-in that runs goes on.

        Raises:
            ConfigurationError: the port is in use.
        """
        if self._server is None:
            self._server = StandInHTTPServer(self._host, self._port, self._reception, self._inspection, self._clock)
        return self

    def stop(self) -> None:
        """End all connections and threads; may be called again, and `start` may follow."""
        server, self._server = self._server, None
        if server is not None:
            server.close()

    def __enter__(self) -> StandIn:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()
