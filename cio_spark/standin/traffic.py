"""Records arrivals and requests in flight, for tests of the rate, the parallelism and the order per person."""

from __future__ import annotations

import socket
import threading
from array import array
from bisect import bisect_right
from collections.abc import Iterable

from cio_spark.clock import Clock
from cio_spark.standin.client_connection import peer_has_left

RATE_WINDOW_SECONDS = 3.0
"""Length of the window of the API's rate limit, in seconds (OpenAPI, "Rate and payload limits")."""


class Visit:
    """Represents one request from its arrival to just before the last byte of its answer."""

    def __init__(self, traffic: Traffic, peer: socket.socket, arrival: float, admitted: bool) -> None:
        self._traffic = traffic
        self.peer = peer
        self.arrival = arrival
        self.admitted = admitted
        self.persons: frozenset[str] = frozenset()

    def bring(self, persons: Iterable[str]) -> None:
        """Tell the traffic whose messages the request carries."""
        self._traffic.bring(self, frozenset(persons))

    def leave(self) -> None:
        """End the request; calling this again changes nothing."""
        self._traffic.leave(self)


class Traffic:
    """Records arrivals and requests in flight; it is thread-safe.

    A request whose client has closed the connection is not in flight any more.

    Args:
        clock: gives the times of arrival (monotonic seconds).
        max_requests_per_3_seconds: most requests that are admitted in any 3 seconds; None to admit all.
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
        """Count a request that came over a connection, and decide whether it is admitted."""
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
        """Record whose messages a request carries, and which of these persons have another request in flight."""
        with self._lock:
            # The client may have closed the connection before the body was read
            if visit not in self._visits or peer_has_left(visit.peer):
                return
            visit.persons = persons
            for person in persons:
                other = self._visit_of.get(person)
                if other is not None and not peer_has_left(other.peer):
                    self._overlapping.add(person)
                self._visit_of[person] = visit

    def leave(self, visit: Visit) -> None:
        """Record that a request is no longer in flight."""
        with self._lock:
            self._remove(visit)

    def clear(self) -> None:
        """Delete arrivals, maximum and overlaps; requests in flight stay."""
        with self._lock:
            self._arrivals = array("d")
            self._max_in_flight = len(self._visits)
            self._overlapping.clear()

    @property
    def arrivals(self) -> list[float]:
        """Times of arrival in order, in monotonic seconds."""
        with self._lock:
            return list(self._arrivals)

    @property
    def in_flight(self) -> int:
        """Number of requests that now wait for their answer."""
        with self._lock:
            self._forget_abandoned()
            return len(self._visits)

    @property
    def max_in_flight(self) -> int:
        """Largest number of requests that waited for their answer at the same time."""
        with self._lock:
            return self._max_in_flight

    @property
    def overlapping_persons(self) -> frozenset[str]:
        """Persons who had two requests in flight at the same time."""
        with self._lock:
            return frozenset(self._overlapping)

    def max_in_any_window(self, seconds: float = RATE_WINDOW_SECONDS) -> int:
        """Return the largest number of requests that arrived in any half-open window of this many seconds."""
        arrivals = self.arrivals
        most = first = 0
        for last, arrival in enumerate(arrivals):
            while arrival - arrivals[first] >= seconds:
                first += 1
            most = max(most, last - first + 1)
        return most

    def summary(self) -> dict[str, int]:
        """Return the counts of arrivals, requests in flight and overlapping persons."""
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
