"""Sends one body, with retries, until its outcome is clear."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from cio_spark.clock import Clock
from cio_spark.delivery.circuit import Circuit, Permit
from cio_spark.delivery.classification import Verdict, classify
from cio_spark.delivery.compression import Compression
from cio_spark.delivery.http_client import BatchClient
from cio_spark.delivery.pacing import RateSchedule, Throttle
from cio_spark.delivery.process_log import LaneLog
from cio_spark.delivery.retry import RetryPolicy
from cio_spark.delivery.stop import Stop, StopCode


@dataclass
class Sending:
    """Records how one body was sent, and with which result.

    Attributes:
        started_at: time before the first wait for a turn.
        body_bytes: bytes of the body before compression.
        most_requests: most HTTP requests that may be made.
        tried: tries that the same records had before, in a larger batch.
        outgrown: whether the body was given up because a batch must be smaller by now; decided after the wait for the
            next try.
        verdict: verdict on the last try; None if the partition stopped before the first try.
        attempted_at: start of the last request.
        attempts: number of tries.
        requests: number of HTTP requests.
        request_seconds: seconds spent in requests.
        throttled_seconds: seconds spent waiting: between tries, after a 429, for the circuit and for slots.
    """

    started_at: datetime
    body_bytes: int = 0
    most_requests: float = math.inf
    tried: int = 0
    outgrown: bool = False
    verdict: Verdict | None = None
    attempted_at: datetime | None = None
    attempts: int = 0
    requests: int = 0
    request_seconds: float = 0.0
    throttled_seconds: float = 0.0


BetweenTries: TypeAlias = Callable[[Sending, float], AbstractContextManager[object]]
"""Type of a function that opens a context for as long as a body waits for its next try.

Its number is the longest wait in seconds.
"""


class Sender:
    """Sends bodies for one lane.

    Args:
        client: makes the exchanges.
        rate: schedule in which every request, also a retry, waits for its turn.
        compression: decides whether bodies are compressed.
        policy: decides on retries.
        timeout_seconds: hard deadline of a request.
        stop: ends waiting and trying; the sender sets it when the circuit gives the API up.
        clock: tells the time.
        circuit: decides whether anything may be sent at all; None for a circuit that never opens.
        throttle: keeps the lane's own gap after a 429; None for a new one.
        between_tries: is told of every wait before a retry; None if nobody watches.
        log: is told of every answer; None if nothing is logged.
    """

    def __init__(
        self,
        client: BatchClient,
        rate: RateSchedule,
        compression: Compression,
        policy: RetryPolicy,
        timeout_seconds: float,
        stop: Stop,
        clock: Clock,
        circuit: Circuit | None = None,
        throttle: Throttle | None = None,
        between_tries: BetweenTries | None = None,
        log: LaneLog | None = None,
    ) -> None:
        self._client = client
        self._rate = rate
        self._compression = compression
        self._policy = policy
        self._timeout_seconds = timeout_seconds
        self._stop = stop
        self._clock = clock
        self._circuit = circuit or Circuit(0, 0.0, clock)
        self._between_tries = between_tries or (lambda _sending, _seconds: nullcontext())
        self._throttle = throttle or Throttle(rate.seconds_between_requests, clock)
        self._log = log

    def send(
        self,
        body: bytes,
        most_requests: int | None = None,
        *,
        tried: int = 0,
        learn: Callable[[Verdict], None] = lambda _: None,
        outgrown: Callable[[Sending], bool] = lambda _: False,
    ) -> Sending:
        """Send a body, with retries.

        Args:
            body: the body.
            most_requests: most HTTP requests that may be made; None for as many as the policy allows.
            tried: tries that the same records had before, in a larger batch; they count towards the retries.
            learn: is told of the verdict on every try.
            outgrown: tells whether the body has become too large for one request; then it is not tried again as it is.
        """
        most = math.inf if most_requests is None else most_requests
        sending = Sending(self._clock.now(), len(body), most, tried)
        started = self._clock.monotonic()

        def pause(seconds: float) -> None:
            before = self._clock.monotonic()
            # The wait ends with the circuit's budget, whatever the API asks for: then one last request decides
            wait = min(seconds, self._circuit.seconds_left)
            with self._between_tries(sending, wait):
                self._stop.pause(wait)
            sending.throttled_seconds += self._clock.monotonic() - before

        def is_over() -> bool:
            return self._stop.is_set() or sending.outgrown or sending.requests >= sending.most_requests

        def attempt() -> Verdict | None:
            sending.outgrown = sending.attempts > 0 and outgrown(sending)
            return sending.verdict if sending.outgrown else self._try(body, sending, learn)

        retrying = self._policy.retrying(lambda: self._clock.monotonic() - started, pause, is_over, tried)
        sending.verdict = retrying(attempt)
        return sending

    def _try(self, body: bytes, sending: Sending, learn: Callable[[Verdict], None]) -> Verdict | None:
        """Make one try: one request, or two if an answer may be about the compression."""
        # The last request is sent uncompressed: if a compressed body were refused, there would be no request left to
        # find out why
        compressed = self._compression.active and sending.most_requests - sending.requests > 1
        verdict = self._request(body, sending, compressed=compressed)
        if verdict is None:  # stopped
            return sending.verdict
        sending.attempts += 1
        if compressed and verdict.accepted:
            self._compression.accepted()
        elif compressed and self._compression.doubtful(verdict.answer):
            plain = self._request(body, sending, compressed=False)
            if plain is not None and plain.accepted:
                self._compression.give_up()
            verdict = plain or verdict
        learn(verdict)
        sending.verdict = verdict
        return verdict

    def _request(self, body: bytes, sending: Sending, *, compressed: bool) -> Verdict | None:
        """Make one request in its turn; return None if the partition stopped before."""
        permit = self._wait(sending)
        verdict = None
        try:
            if permit is not Permit.REFUSED and not self._stop.is_set():
                sending.attempted_at = self._clock.now()
                sending.requests += 1
                answer = self._client.post_batch(
                    body, self._timeout_seconds, compress=compressed, retry_count=sending.tried + sending.attempts
                )
                sending.request_seconds += answer.elapsed_seconds
                verdict = classify(answer)
                self._throttle.record(verdict)
        finally:
            change = self._circuit.record(permit, verdict)
        if self._log is not None:
            seconds = self._circuit.seconds_until_trial if change is not None else 0.0
            self._log.record(verdict, change, seconds)
        if (cause := self._circuit.given_up) is not None:
            self._stop.set(StopCode.CIRCUIT_OPEN, cause)
        return verdict

    def _wait(self, sending: Sending) -> Permit:
        """Wait for everything that a request must wait for; the shared slot comes last, so that no slot is wasted."""
        before = self._clock.monotonic()
        self._throttle.wait(self._stop, self._circuit.seconds_left)
        permit = self._circuit.ask(self._stop)
        if permit is not Permit.REFUSED:
            self._rate.wait_turn(self._stop.is_set)
        sending.throttled_seconds += self._clock.monotonic() - before
        return permit
