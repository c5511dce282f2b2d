"""Takes an API request from its arrival to its answer: applies faults and the contract, and stores the request."""

from __future__ import annotations

import base64
import json
import socket
from dataclasses import dataclass
from io import BufferedIOBase

from cio_spark.clock import Clock
from cio_spark.standin.contract import Contract
from cio_spark.standin.faults import FaultScript, Misbehaviour
from cio_spark.standin.judge import ContractDecision, ReceivedRequest, apply_contract
from cio_spark.standin.response import Response, error_body
from cio_spark.standin.store import RequestRow, Store
from cio_spark.standin.traffic import Traffic, Visit
from cio_spark.standin.wire import Headers, UnreadableBodyError, read_body


@dataclass(frozen=True)
class Arrival:
    """Holds what is known about a request before its body is read."""

    number: int
    path: str
    headers: Headers
    arrived_at: str
    visit: Visit

    @property
    def call(self) -> str:
        """The last part of the path."""
        return self.path.rsplit("/", 1)[-1]

    @property
    def strict(self) -> bool:
        """True if the request asks for strict mode; any value but 1 means no (OpenAPI)."""
        return self.headers.get("X-Strict-Mode") == "1"


class Reception:
    """Receives requests; many threads use it at once.

    Args:
        api_key: the API key that is accepted.
        contract: behaviour that the API does not document.
        script: faults that are in force.
        store: stores what is received.
        traffic: counts requests, and admits or refuses them by the rate limit.
        clock: gives the times at which requests arrive.
        rate_retry_after: value of the Retry-After header if `traffic` does not admit a request; None for no header.
    """

    def __init__(
        self,
        api_key: str,
        contract: Contract,
        script: FaultScript,
        store: Store,
        traffic: Traffic,
        clock: Clock,
        rate_retry_after: str | None = None,
    ) -> None:
        self._credentials = f"{api_key}:".encode()
        self._contract = contract
        self._script = script
        self._store = store
        self._traffic = traffic
        self._clock = clock
        self._rate_retry_after = rate_retry_after

    def arrive(self, path: str, headers: Headers, peer: socket.socket) -> Arrival:
        """Count a request whose headers have been read, and return what is known about it."""
        visit = self._traffic.enter(peer)
        return Arrival(self._store.new_number(), path, headers, self._clock.now().isoformat(), visit)

    def receive(self, arrival: Arrival, stream: BufferedIOBase) -> Response:
        """Read the body, store what the API would take, and return the answer.

        Args:
            arrival: the request.
            stream: stream from which the body is read.
        """
        plan = self._script.decide(arrival.call) if arrival.visit.admitted else Misbehaviour()
        if plan.fault.drop_connection == "before_reading":
            self._record(arrival, None, ContractDecision(), b"", "")
            return Response(None, latency_seconds=plan.latency_seconds)
        try:
            body = read_body(stream, arrival.headers)
        except UnreadableBodyError as error:
            verdict = ContractDecision(
                error.status, [error.reason], dropped=[(arrival.number, None, None, error.reason)]
            )
            self._record(arrival, error.status, verdict, b"", "")
            return Response(error.status, error_body(verdict.reasons, self._contract.error_shape), close=True)
        encoding = arrival.headers.get("Content-Encoding", "").strip().lower()
        delivery = ReceivedRequest(
            arrival.number, arrival.call, body, encoding, arrival.strict, self._is_authorized(arrival), plan.poison
        )
        verdict = apply_contract(delivery, self._contract)
        arrival.visit.bring(verdict.persons)
        if not arrival.visit.admitted or not plan.fault.keeps:
            verdict.messages, verdict.dropped = [], []
        answer = self._answer(verdict, plan) if arrival.visit.admitted else self._too_many()
        self._record(arrival, answer.status, verdict, body, encoding)
        return answer

    def _answer(self, verdict: ContractDecision, plan: Misbehaviour) -> Response:
        """Return the contract's answer with the changes that the fault makes."""
        fault = plan.fault
        if fault.drop_connection:
            return Response(None, latency_seconds=plan.latency_seconds)
        status = fault.status or verdict.status
        reasons = verdict.reasons if status == verdict.status and verdict.reasons else ["scripted fault"]
        body = b"{}" if status < 300 else error_body(reasons, fault.error_shape or self._contract.error_shape)
        headers = (("Retry-After", fault.retry_after), ("Location", fault.location))
        return Response(
            status,
            body if fault.body is None else fault.body.encode(),
            fault.content_type,
            tuple((name, value) for name, value in headers if value is not None),
            plan.latency_seconds,
            fault.trickle_headers_seconds,
            fault.trickle_body_seconds,
            fault.endless_body,
        )

    def _too_many(self) -> Response:
        headers = () if self._rate_retry_after is None else (("Retry-After", self._rate_retry_after),)
        return Response(429, error_body(["too many requests"], self._contract.error_shape), headers=headers)

    def _is_authorized(self, arrival: Arrival) -> bool:
        """Check the HTTP basic authentication: the key is the user name, the password is empty (OpenAPI)."""
        scheme, _, credentials = arrival.headers.get("Authorization", "").partition(" ")
        try:
            return scheme.lower() == "basic" and base64.b64decode(credentials, validate=True) == self._credentials
        except ValueError:
            return False

    def _record(
        self, arrival: Arrival, status: int | None, verdict: ContractDecision, body: bytes, encoding: str
    ) -> None:
        compressed = encoding not in ("", "identity")
        headers = {name: value for name, value in arrival.headers.items() if name.lower() != "authorization"}
        request = RequestRow(
            number=arrival.number,
            path=arrival.path,
            status=status,
            strict=arrival.strict,
            arrival=arrival.visit.arrival,
            arrived_at=arrival.arrived_at,
            bytes=len(verdict.body),
            compressed_bytes=len(body) if compressed else None,
            items=verdict.items,
            kept=len(verdict.messages),
            items_over_limit=verdict.items_over_limit,
            headers=json.dumps(headers),
        )
        self._store.record(request, verdict.messages, verdict.dropped, verdict.body, body if compressed else None)
