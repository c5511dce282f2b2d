"""Runs the stand-in as a command that serves until it gets a signal to stop."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import FrameType

from cio_spark.standin.faults import Fault
from cio_spark.standin.server import DEFAULT_API_KEY, StandIn

DEFAULT_PORT = 8087


def serve(
    host: str = "127.0.0.1",
    port: int = DEFAULT_PORT,
    api_key: str = DEFAULT_API_KEY,
    store: Path | None = None,
    faults: Iterable[Fault] = (),
    *,
    seed: int = 0,
    max_requests_per_3_seconds: int | None = None,
    on_start: Callable[[StandIn], None] | None = None,
) -> StandIn:
    """Serve until SIGINT or SIGTERM.

    Args:
        host: address to listen on.
        port: port to listen on; 0 for any free port.
        api_key: the API key that is accepted.
        store: SQLite file for what is received; None for memory.
        faults: faults that are in force from the start.
        seed: seed of the draws for `Fault.share`.
        max_requests_per_3_seconds: most requests in any 3 seconds; further ones are answered 429. None for no limit.
        on_start: called with the stand-in as soon as it listens, to tell the user its address; None for nothing.

    Returns:
        The stopped stand-in, which can still tell what it received.

    Raises:
        ConfigurationError: the address or port cannot be used, or the store cannot be opened.
    """
    api = StandIn(
        api_key=api_key,
        host=host,
        port=port,
        store=store,
        seed=seed,
        max_requests_per_3_seconds=max_requests_per_3_seconds,
    )
    api.script(*faults)
    with _stop_on_sigterm() as stopping, contextlib.suppress(KeyboardInterrupt), api:
        if on_start is not None:
            on_start(api)
        stopping.wait()
    return api


@contextlib.contextmanager
def _stop_on_sigterm() -> Iterator[threading.Event]:
    """Yield an event that SIGTERM sets; outside the main thread nothing sets it, as Python allows no handler there."""
    stopping = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stopping
        return

    def stop(signum: int, frame: FrameType | None) -> None:  # noqa: ARG001  the signature of a handler
        stopping.set()

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield stopping
    finally:
        signal.signal(signal.SIGTERM, before)
