"""Keeps the state of a Python worker process from task to task; besides it, only `evaluation` has global state."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import TypeAlias

from cio_spark.clock import Clock
from cio_spark.config import ApiKey
from cio_spark.delivery.circuit import Circuit
from cio_spark.delivery.compression import Compression
from cio_spark.delivery.deadline import Watchdog
from cio_spark.delivery.http_client import BatchClient, PipelinesClient
from cio_spark.delivery.pacing import RateSchedule
from cio_spark.delivery.process_log import ProcessLog
from cio_spark.delivery.refusal_quarantine import Refusals
from cio_spark.delivery.retry_watch import RetryWatch
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.delivery.sizing import sizing_for

ClientFactory: TypeAlias = Callable[[], BatchClient]
_Key: TypeAlias = tuple[int, str, str, ApiKey, bool, bool]


class ProcessState:
    """Holds connections, time slots and what was learned about the API, for one run.

    Args:
        settings: settings of the run's tasks.
        clock: tells the time.
        client_factory: makes a client; None for `PipelinesClient`.
        retry_watch: is told of batches that wait for their next try; None if nobody watches.
    """

    def __init__(
        self,
        settings: DeliverySettings,
        clock: Clock,
        client_factory: ClientFactory | None = None,
        retry_watch: RetryWatch | None = None,
    ) -> None:
        watchdog = Watchdog()
        self.retry_watch = retry_watch
        self.clock = clock
        self.compression = Compression(settings.compress, settings.strict_mode)
        self.circuit = Circuit(settings.circuit_failures, settings.circuit_budget_seconds, clock)
        self.refusals = Refusals()
        self.sizing = sizing_for(settings, clock)
        self.log = ProcessLog.of(settings, clock)
        self._make_client = client_factory or (
            lambda: PipelinesClient(
                settings.base_url, settings.api_key, strict_mode=settings.strict_mode, clock=clock, watchdog=watchdog
            )
        )
        self._lock = threading.Lock()
        self._rate = RateSchedule(settings.seconds_between_requests, clock)
        self._idle: list[BatchClient] = []
        self._closed = False

    def rate(self, seconds_between_requests: float) -> RateSchedule:
        """Return the rate schedule, or a new one if the wave has another share of the rate."""
        with self._lock:
            if self._rate.seconds_between_requests != seconds_between_requests:
                self._rate = RateSchedule(seconds_between_requests, self.clock)
            return self._rate

    def borrow_client(self) -> BatchClient:
        """Return a client for one lane, if possible one whose connection is open."""
        with self._lock:
            return self._idle.pop() if self._idle else self._make_client()

    def return_client(self, client: BatchClient) -> None:
        """Take back the client of a lane that has ended."""
        with self._lock:
            if not self._closed:
                self._idle.append(client)
                return
        client.close()

    def close(self) -> None:
        """Close the connections; those that are still lent out are closed when they are returned."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for client in idle:
            client.close()


class _Holder:
    """Keeps the state of the run for which this process works."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._key: _Key | None = None
        self._state: ProcessState | None = None

    def get(self, settings: DeliverySettings, clock: Clock) -> ProcessState:
        key = _key_of(settings)
        with self._lock:
            before, before_key = self._state, self._key
            if before is not None and before_key == key and before.clock is clock:
                return before
            # A forked process must not close connections that it shares with its parent.
            if before is not None and before_key is not None and before_key[0] == key[0]:
                before.close()
            self._key, self._state = key, ProcessState(settings, clock)
            return self._state


_holder = _Holder()


def process_state(settings: DeliverySettings, clock: Clock) -> ProcessState:
    """Return the state for the run of these settings; a new run replaces the state of the run before."""
    return _holder.get(settings, clock)


def _key_of(settings: DeliverySettings) -> _Key:
    return (
        os.getpid(),
        settings.run_id,
        settings.base_url,
        settings.api_key,
        settings.strict_mode,
        settings.compress,
    )
