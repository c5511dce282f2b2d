"""One lane: a thread that sends its batches one after the other."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from cio_spark.delivery.batching import Batch
from cio_spark.delivery.client import BatchClient
from cio_spark.delivery.outcome import (
    ACCEPTED,
    FAILED,
    HELD_BACK,
    NOT_ATTEMPTED,
    STOPPED,
    BatchFacts,
    Fate,
    OutcomeGroup,
    group_of,
)
from cio_spark.delivery.process_state import ProcessState
from cio_spark.delivery.resources import NOT_SAMPLED, ResourceSampler
from cio_spark.delivery.retry import RetryPolicy
from cio_spark.delivery.sending import Sender, Sending
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.delivery.stopping import Stop

QUEUE_DEPTH: Final = 2
"""Batches that wait for a lane; with the one it sends, and the one being filled, all that is in memory."""


@dataclass(frozen=True)
class LaneEnd:
    """A lane has ended; with an error, not as it should have."""

    error: BaseException | None = None


Finished: TypeAlias = "queue.SimpleQueue[OutcomeGroup | LaneEnd | None]"
"""What the lanes of a partition report; None: one has taken a batch from its inbox."""


class Lane:
    """Sends batches from its inbox and puts what became of them into the outbox.

    Args:
        number: of the lane in its partition.
        partition_index: of the partition.
        settings: how to deliver.
        process: connections and time slots.
        stop: shared by the partition's lanes.
        sampler: memory and CPU; None: not wanted.
        finished: the outbox, shared by the partition's lanes.
    """

    def __init__(
        self,
        number: int,
        partition_index: int,
        settings: DeliverySettings,
        process: ProcessState,
        stop: Stop,
        sampler: ResourceSampler | None,
        finished: Finished,
    ) -> None:
        self.inbox: queue.Queue[Batch | None] = queue.Queue(QUEUE_DEPTH)
        self._number = number
        self._partition_index = partition_index
        self._settings = settings
        self._process = process
        self._stop = stop
        self._sampler = sampler
        self._finished = finished
        self._client: BatchClient | None = None
        self._held: set[str] = set()
        self._sequence = 0
        self._worker = f"{socket.gethostname()}-{os.getpid()}"
        self._thread = threading.Thread(target=self._run, name=f"cio-spark-lane-{number}", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Make the thread end although there is work left; the partition's stop must be set."""
        while True:  # ends: the lane takes from the inbox too, or has crashed and nobody fills it
            try:
                self.inbox.put_nowait(None)
                break
            except queue.Full:
                try:
                    self.inbox.get_nowait()
                except queue.Empty:
                    continue
        client = self._client
        if client is not None:
            client.abort()

    def join(self, seconds: float) -> None:
        """Wait for the thread's end, so long at most."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._client = self._process.borrow_client()
            try:
                sender = self._sender(self._client)
                for batch in iter(self.inbox.get, None):
                    self._finished.put(None)
                    for group in self._deliver(batch, sender):
                        self._finished.put(group)
            finally:
                client, self._client = self._client, None
                self._process.return_client(client)
        except BaseException as error:
            self._finished.put(LaneEnd(error))
        else:
            self._finished.put(LaneEnd())

    def _sender(self, client: BatchClient) -> Sender:
        settings, process = self._settings, self._process
        return Sender(
            client,
            process.rate(settings.seconds_between_requests),
            process.compression,
            RetryPolicy(settings.retries, settings.retry_backoff_seconds),
            settings.timeout_seconds,
            self._stop,
            process.clock,
        )

    def _deliver(self, batch: Batch, sender: Sender) -> Iterator[OutcomeGroup]:
        """Send a batch, without the records of persons that are held."""
        if self._held:
            held = pc.is_in(batch.records.column("person_key"), pa.array(self._held, pa.string()))
            if pc.any(held).as_py():
                yield group_of(_HELD, batch.chosen(held).records)
                batch = batch.chosen(pc.invert(held))
        if not batch.size:
            return
        if self._stop.is_set():
            yield group_of(self._not_attempted(), batch.records)
            return
        body = batch.body()
        sending = sender.send(body)
        yield from self._settle(batch, len(body), sending)

    def _settle(self, batch: Batch, body_bytes: int, sending: Sending) -> Iterator[OutcomeGroup]:
        """Say what became of each record of a batch, and what follows for the next ones.

        All records of a batch share its fate. (Where single records are told apart, this is the place.)
        """
        verdict = sending.verdict
        if verdict is None:
            yield group_of(self._not_attempted(), batch.records)
            return
        answer = verdict.answer
        if not verdict.accepted:
            if verdict.stop or self._settings.stops_at_first_failure:
                self._stop.set(answer.reason)
            if self._settings.hold_person_after_failure:
                self._held.update(batch.records.column("person_key").drop_null().to_pylist())
        self._sequence += 1
        settings = self._settings
        batch_id = (
            f"{settings.operation_type}-{settings.run_id}-w{settings.wave}"
            f"-p{self._partition_index}-l{self._number}-{self._sequence}"
        )
        fate = Fate(
            status=ACCEPTED if verdict.accepted else FAILED,
            error_category=verdict.category.value if verdict.category is not None else None,
            error_code=verdict.code,
            error_message=None if verdict.accepted else answer.reason,
            http_status=answer.status,
            batch_id=batch_id,
            attempts=sending.attempts,
            attempted_at=sending.attempted_at,
            batch=self._facts(sending, batch.size, body_bytes, answer.compressed_bytes),
        )
        yield group_of(fate, batch.records)

    def _facts(self, sending: Sending, records: int, body_bytes: int, compressed_bytes: int | None) -> BatchFacts:
        usage = self._sampler.sample() if self._sampler is not None else NOT_SAMPLED
        return BatchFacts(
            wave=self._settings.wave,
            partition=self._partition_index,
            lane=self._number,
            worker=self._worker,
            started_at=sending.started_at,
            completed_at=self._process.clock.now(),
            records=records,
            bytes=body_bytes,
            compressed_bytes=compressed_bytes,
            requests=sending.requests,
            attempts=sending.attempts,
            splits=0,
            request_seconds=sending.request_seconds,
            throttled_seconds=sending.throttled_seconds,
            memory_usage_mb=usage.memory_mb,
            cpu_usage_percent=usage.cpu_percent,
        )

    def _not_attempted(self) -> Fate:
        return Fate(NOT_ATTEMPTED, error_code=STOPPED, error_message=f"this partition stopped: {self._stop.cause}")


_HELD: Final = Fate(
    NOT_ATTEMPTED,
    error_code=HELD_BACK,
    error_message="an earlier record of the same person failed; both go again on the next run",
)
