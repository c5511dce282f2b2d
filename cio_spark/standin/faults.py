"""Faults that a test scripts, and what they decide about one request."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, StringConstraints
from pydantic.dataclasses import dataclass

from cio_spark.standin.contract import ErrorShape

BAD_GATEWAY_PAGE = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>\n"
"""The kind of page a proxy in front of the API answers with."""

Seconds = Annotated[float, Field(ge=0, le=86_400)]
Line = Annotated[str, StringConstraints(pattern=r"^[\x20-\x7e]*$")]  # goes into a header, so no line break
Path = Annotated[str, StringConstraints(pattern=r"^/(identify|track|page|screen|group|alias|batch)$")]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Fault:
    """One way in which the stand-in misbehaves. Without `status` the answer is the contract's own.

    Of the faults that fire for a request, the first one that answers (all but mere latency and poison) decides;
    latencies add up, poisons unite.

    Args:
        status: the HTTP status. Unless it is 2xx the batch is not kept.
        share: share of the requests it fires for; drawn per fault from the stand-in's seed.
        times: fires for so many requests at most; None: no end.
        after: lets so many requests pass first (those that `path` matches).
        path: only for this call, such as `/batch`.
        latency_seconds: wait before the answer; the batch is kept, or not, before that.
        retry_after: the Retry-After header, seconds or an HTTP date.
        location: the Location header of a redirect.
        body: the answer's body; None: what the API would answer.
        content_type: its media type.
        error_shape: the shape of a 400's body; None: as the stand-in is set.
        keep_batch: the valid messages are kept although the status says otherwise.
        drop_connection: closes it without an answer, before the body is read or after the batch was kept.
        trickle_headers_seconds: pause before each byte of the answer's head.
        trickle_body_seconds: pause before each byte of the answer's body.
        endless_body: the body never ends (one byte each `trickle_body_seconds`, or as fast as the client reads).
        poison: messages with one of these message ids or person ids are refused, as malformed ones are.
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
        """A 502 with an HTML page."""
        return cls(status=502, share=share, times=times, after=after, body=BAD_GATEWAY_PAGE, content_type="text/html")

    @property
    def answers(self) -> bool:
        """Whether it decides the answer, rather than only delaying or poisoning it."""
        slow = self.trickle_headers_seconds or self.trickle_body_seconds or self.endless_body
        own = self.status is not None or self.body is not None or self.error_shape is not None
        return bool(slow or own or self.retry_after is not None or self.location is not None or self.drop_connection)

    @property
    def keeps(self) -> bool:
        """Whether the valid messages of the request count as received."""
        if self.drop_connection == "before_reading":
            return False
        return self.keep_batch or self.status is None or 200 <= self.status < 300


NO_FAULT = Fault()


@dataclass(frozen=True)
class Misbehaviour:
    """What the script decided about one request: the fault that answers, the delay in seconds, the poisoned ids."""

    fault: Fault = NO_FAULT
    latency_seconds: float = 0.0
    poison: frozenset[str] = frozenset()


class FaultScript:
    """The faults in force; thread-safe.

    Args:
        seed: of the draws for `Fault.share`; the same seed and order of requests give the same faults.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._lock = threading.Lock()
        self._entries: list[_Entry] = []

    def extend(self, faults: Iterable[Fault]) -> None:
        """Add faults behind those in force."""
        with self._lock:
            for fault in faults:
                self._entries.append(_Entry(fault, random.Random(f"{self._seed}/{len(self._entries)}")))

    def clear(self) -> None:
        """Behave from now on."""
        with self._lock:
            self._entries.clear()

    def decide(self, call: str) -> Misbehaviour:
        """What happens to the next request of a call (its path without slash); counts it."""
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
    """A fault with what it has counted."""

    def __init__(self, fault: Fault, draws: random.Random) -> None:
        self.fault = fault
        self._draws = draws
        self._met = 0
        self._fired = 0

    def meets(self, call: str) -> bool:
        """Count a request that the fault is about; whether it is past `after`."""
        if self.fault.path not in (None, f"/{call}"):
            return False
        self._met += 1
        return self._met > self.fault.after

    def fires(self) -> bool:
        """Draw, and use up one of `times`."""
        if self.fault.times is not None and self._fired >= self.fault.times:
            return False
        if self._draws.random() >= self.fault.share:
            return False
        self._fired += 1
        return True
