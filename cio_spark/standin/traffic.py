"""When requests arrive and which are in flight: what the tests of rate, parallelism and per-person order look at."""

from __future__ import annotations

import socket
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterable

from cio_spark.clock import Clock
from cio_spark.standin.client_connection import peer_has_left

RATE_WINDOW_SECONDS = 3.0
"""The API states its rate limit per 3 seconds (OpenAPI, "Rate and payload limits")."""


class Visit:
    """One request from its arrival to just before the last byte of its answer."""

    def __init__(self, traffic: Traffic, peer: socket.socket, arrival: float, admitted: bool) -> None:
        self._traffic = traffic
        self.peer = peer
        self.arrival = arrival
        self.admitted = admitted
        self.persons: frozenset[str] = frozenset()

    def bring(self, persons: Iterable[str]) -> None:
        """Say whose messages the request carries."""
        self._traffic.bring(self, frozenset(persons))

    def leave(self) -> None:
        """The request is over; calling it again changes nothing."""
        self._traffic.leave(self)


class Traffic:
    """Arrivals and requests in flight; thread-safe. A request whose client has hung up is not in flight any more.

    Args:
        clock: gives the arrival times (monotonic seconds).
        max_requests_per_3_seconds: more than so many in any 3 s are not admitted; None: all are.
    """

    def __init__(self, clock: Clock, max_requests_per_3_seconds: int | None = None) -> None:
        self._clock = clock
        self._limit = max_requests_per_3_seconds
        self._lock = threading.Lock()
        self._arrivals = array("d")
        self._admitted = array("d")
        self._visits: set[Visit] = set()
        self._visit_of: dict[str, Visit] = {}
        self._max_in_flight = 0
        self._overlapping: set[str] = set()

    def enter(self, peer: socket.socket) -> Visit:
        """Count a request that came over this connection."""
        with self._lock:
            arrival = self._clock.monotonic()
            self._arrivals.append(arrival)
            recent = len(self._admitted) - bisect_right(self._admitted, arrival - RATE_WINDOW_SECONDS)
            visit = Visit(self, peer, arrival, admitted=self._limit is None or recent < self._limit)
            if self._limit is not None and visit.admitted:
                self._admitted.append(arrival)
            if len(self._visits) >= self._max_in_flight:
                self._forget_abandoned()
            self._visits.add(visit)
            self._max_in_flight = max(self._max_in_flight, len(self._visits))
        return visit

    def bring(self, visit: Visit, persons: frozenset[str]) -> None:
        """Note whose messages a request carries, and who among them has another request in flight."""
        with self._lock:
            # Its client may have hung up before the body was read
            if visit not in self._visits or peer_has_left(visit.peer):
                return
            visit.persons = persons
            for person in persons:
                other = self._visit_of.get(person)
                if other is not None and not peer_has_left(other.peer):
                    self._overlapping.add(person)
                self._visit_of[person] = visit

    def leave(self, visit: Visit) -> None:
        """End a visit."""
        with self._lock:
            self._remove(visit)

    def clear(self) -> None:
        """Forget arrivals, maximum and overlaps; what is in flight stays."""
        with self._lock:
            self._arrivals = array("d")
            self._max_in_flight = len(self._visits)
            self._overlapping.clear()

    @property
    def arrivals(self) -> list[float]:
        """Arrival times in order, monotonic seconds."""
        with self._lock:
            return list(self._arrivals)

    @property
    def in_flight(self) -> int:
        """Requests that wait for their answer now."""
        with self._lock:
            self._forget_abandoned()
            return len(self._visits)

    @property
    def max_in_flight(self) -> int:
        """The most requests that waited at once."""
        with self._lock:
            return self._max_in_flight

    @property
    def overlapping_persons(self) -> frozenset[str]:
        """Persons who had two requests in flight at once."""
        with self._lock:
            return frozenset(self._overlapping)

    def max_in_any_window(self, seconds: float = RATE_WINDOW_SECONDS) -> int:
        """The most requests that arrived within any half-open window of this length."""
        arrivals = self.arrivals
        most = first = 0
        for last, arrival in enumerate(arrivals):
            while arrival - arrivals[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def summary(self) -> dict[str, int]:
        """The counts of all of the above."""
        return {
            "max_requests_in_any_3_seconds": self.max_in_any_window(),
            "in_flight": self.in_flight,
            "max_in_flight": self.max_in_flight,
            "overlapping_persons": len(self.overlapping_persons),
        }

    def _forget_abandoned(self) -> None:
        for visit in [visit for visit in self._visits if peer_has_left(visit.peer)]:
            self._remove(visit)

    def _remove(self, visit: Visit) -> None:
        self._visits.discard(visit)
        for person in visit.persons:
            if self._visit_of.get(person) is visit:
                del self._visit_of[person]
