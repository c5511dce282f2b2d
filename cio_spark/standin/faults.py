"""Describes the faults that a test can script, and decides what they do to each request."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from cio_spark.standin.contract import ErrorShape

BAD_GATEWAY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
"""An error page of the kind that a proxy in front of the API sends."""

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Line = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$")]  # goes into a header, so no line break
Path = Annotated[str, StringConstraints(pattern=r"^/(identify|track|page|screen|group|alias|batch)$")]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Fault:
    """Describes one way in which the stand-in misbehaves; without `status` it answers with the contract's status.

    Several faults may fire for one request. The first one that decides the answer (see `answers`) wins; later ones that
    would decide it do not fire. The latencies of all faults that fire add up, and their poisoned ids are united.

    Args:
        status: HTTP status of the answer; None for the contract's. The batch is kept only if the status is 2xx.
        share: share of the requests for which the fault fires, from 0 to 1; drawn for each fault from the stand-in's
            seed.
        times: most requests for which the fault fires; None for no limit.
        after: number of requests, among those that `path` matches, that pass before the fault can fire.
        path: path of the only call for which the fault fires, such as `/batch`; None for all calls.
        latency_seconds: wait before the answer; whether the batch is kept is decided before the wait.
        retry_after: value of the Retry-After header, seconds or an HTTP date; None for no header.
        location: value of the Location header of a redirect; None for no header.
        body: body of the answer; None for the body that the API would send.
        content_type: media type of the body.
        error_shape: shape of an error body; None for the stand-in's setting.
        keep_batch: whether the valid messages are kept even if the status is not 2xx.
        drop_connection: close the connection without an answer, before the body is read or after the batch was kept;
            None to answer.
        trickle_headers_seconds: pause before each byte of the answer's head.
        trickle_body_seconds: pause before each byte of the answer's body.
        endless_body: whether the body never ends (one byte every `trickle_body_seconds`, or as fast as the client
            reads).
        poison: message ids and person ids whose messages are refused as if they were malformed.
    """

    status: Annotated[int, Field(ge=200, le=599)] | None = None
    share: Annotated[float, Field(ge=0, le=1)] = 1.0
    times: Annotated[int, Field(ge=0)] | None = None
    after: Annotated[int, Field(ge=0)] = 0
    path: Path | None = None
    latency_seconds: Seconds = 0.0
    retry_after: Line | None = None
    location: Line | None = None
    body: str | None = None
    content_type: Line = "application/json"
    error_shape: ErrorShape | None = None
    keep_batch: bool = False
    drop_connection: Literal["before_reading", "after_taking"] | None = None
    trickle_headers_seconds: Seconds = 0.0
    trickle_body_seconds: Seconds = 0.0
    endless_body: bool = False
    poison: frozenset[str] = frozenset()

    @classmethod
    def bad_gateway_page(cls, *, share: float = 1.0, times: int | None = None, after: int = 0) -> Fault:
        """Return a fault that answers 502 with an HTML page."""
        return cls(status=502, share=share, times=times, after=after, body=BAD_GATEWAY_PAGE, content_type="text/html")

    @property
    def answers(self) -> bool:
        """True if the fault decides the answer, and does not only delay it or refuse poisoned messages."""
        slow = self.trickle_headers_seconds or self.trickle_body_seconds or self.endless_body
        own = self.status is not None or self.body is not None or self.error_shape is not None
        return bool(slow or own or self.retry_after is not None or self.location is not None or self.drop_connection)

    @property
    def keeps(self) -> bool:
        """True if the valid messages of the request count as received."""
        if self.drop_connection == "before_reading":
            return False
        return self.keep_batch or self.status is None or 200 <= self.status < 300


NO_FAULT = Fault()


@dataclass(frozen=True)
class Misbehaviour:
    """Holds the script's decision about one request: the fault that answers, the delay and the poisoned ids."""

    fault: Fault = NO_FAULT
    latency_seconds: float = 0.0
    poison: frozenset[str] = frozenset()


class FaultScript:
    """Keeps the faults that are in force, and decides which of them fire; it is thread-safe.

    Args:
        seed: seed of the draws for `Fault.share`; the same seed and order of requests give the same faults.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []

    def extend(self, faults: Iterable[Fault]) -> None:
        """Add faults behind those that are in force."""
        with self._lock:
            for fault in faults:
                self._entries.append(_Entry(fault, random.Random(f"{self._seed}/{len(self._entries)}")))

    def clear(self) -> None:
        """Remove all faults."""
        with self._lock:
            self._entries.clear()

    def decide(self, call: str) -> Misbehaviour:
        """Decide what happens to the next request of a call, and count that request.

        Args:
            call: the path of the request, without its slash.
        """
        answering = NO_FAULT
        latency_seconds = 0.0
        poison: frozenset[str] = frozenset()
        with self._lock:
            for entry in self._entries:
                fault = entry.fault
                if not entry.meets(call) or (fault.answers and answering is not NO_FAULT) or not entry.fires():
                    continue
                if fault.answers:
                    answering = fault
                latency_seconds += fault.latency_seconds
                poison |= fault.poison
        return Misbehaviour(answering, latency_seconds, poison)


class _Entry:
    """Holds a fault and its counts of requests."""

    def __init__(self, fault: Fault, draws: random.Random) -> None:
        self.fault = fault
        self._draws = draws
        self._met = 0
        self._fired = 0

    def meets(self, call: str) -> bool:
        """Count a request if the fault's path matches it, and tell whether more than `after` were counted."""
        if self.fault.path not in (None, f"/{call}"):
            return False
        self._met += 1
        return self._met > self.fault.after

    def fires(self) -> bool:
        """Draw whether the fault fires; if it does, that counts as one of `times`."""
        if self.fault.times is not None and self._fired >= self.fault.times:
            return False
        if self._draws.random() >= self.fault.share:
            return False
        self._fired += 1
        return True
