"""Sends one body until its fate is clear."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from cio_spark.clock import Clock
from cio_spark.delivery.answer import Answer
from cio_spark.delivery.classification import Verdict, classify
from cio_spark.delivery.client import BatchClient
from cio_spark.delivery.compression import Compression
from cio_spark.delivery.rate import RateSchedule
from cio_spark.delivery.retry import RetryPolicy
from cio_spark.delivery.stopping import Stop


@dataclass
class Sending:
    """What was done to send one body, and what came of it.

    Attributes:
        started_at: before the first turn was waited for.
        verdict: on the last try; None: the partition stopped before the first.
        attempted_at: start of the last try's request.
        attempts: tries.
        requests: HTTP requests.
        request_seconds: spent in them.
        throttled_seconds: spent waiting for slots and between tries.
    """

    started_at: datetime
    verdict: Verdict | None = None
    attempted_at: datetime | None = None
    attempts: int = 0
    requests: int = 0
    request_seconds: float = 0.0
    throttled_seconds: float = 0.0


class Sender:
    """Sends bodies for one lane.

    Args:
        client: makes the exchanges.
        rate: every request waits for its turn there, also retries.
        compression: whether bodies go compressed.
        policy: retries.
        timeout_seconds: hard deadline of a request.
        stop: ends waiting and trying.
        clock: time.
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
    ) -> None:
        self._client = client
        self._rate = rate
        self._compression = compression
        self._policy = policy
        self._timeout_seconds = timeout_seconds
        self._stop = stop
        self._clock = clock

    def send(self, body: bytes) -> Sending:
        """Send it, with retries."""
        sending = Sending(self._clock.now())
        started = self._clock.monotonic()

        def pause(seconds: float) -> None:
            before = self._clock.monotonic()
            self._stop.pause(seconds)
            sending.throttled_seconds += self._clock.monotonic() - before

        retrying = self._policy.retrying(lambda: self._clock.monotonic() - started, pause, self._stop.is_set)
        sending.verdict = retrying(self._try, body, sending)
        return sending

    def _try(self, body: bytes, sending: Sending) -> Verdict | None:
        """One try: one request, or two where the compression is in doubt."""
        compressed = self._compression.active
        answer = self._request(body, sending, compressed=compressed)
        if answer is None:  # stopped
            return sending.verdict
        sending.attempts += 1
        if compressed and answer.is_success:
            self._compression.accepted()
        elif compressed and self._compression.doubtful(answer):
            plain = self._request(body, sending, compressed=False)
            if plain is not None and plain.is_success:
                self._compression.give_up()
            answer = plain or answer
        sending.verdict = classify(answer)
        return sending.verdict

    def _request(self, body: bytes, sending: Sending, *, compressed: bool) -> Answer | None:
        """One request in its turn; None if the partition stopped before that."""
        sending.throttled_seconds += self._rate.wait_turn(self._stop.is_set)
        if self._stop.is_set():
            return None
        sending.attempted_at = self._clock.now()
        sending.requests += 1
        answer = self._client.post_batch(body, self._timeout_seconds, compress=compressed, retry_count=sending.attempts)
        sending.request_seconds += answer.elapsed_seconds
        return answer
