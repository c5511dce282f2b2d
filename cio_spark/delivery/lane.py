"""Runs one lane: a thread that cuts its records into requests and sends one request after the other."""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Final, TypeAlias

from cio_spark.delivery.batching import Batch, BatchBuilder
from cio_spark.delivery.bisection import Bisection
from cio_spark.delivery.http_client import BatchClient
from cio_spark.delivery.outcome import BatchFacts, OutcomeGroup, group_of
from cio_spark.delivery.pacing import Throttle
from cio_spark.delivery.person_order import BlockedPersons
from cio_spark.delivery.process_log import LaneLog, Place
from cio_spark.delivery.process_state import ProcessState
from cio_spark.delivery.refusal_quarantine import RefusedBatch
from cio_spark.delivery.resources import NOT_SAMPLED, ResourceSampler
from cio_spark.delivery.retry import RetryPolicy
from cio_spark.delivery.retry_watch import WaitingBatch
from cio_spark.delivery.sending import Sender, Sending
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.delivery.settlement import HELD, Settlement, not_attempted, outcome_of
from cio_spark.delivery.sizing import LaneSizer
from cio_spark.delivery.stop import Stop, StopCode

QUEUE_DEPTH: Final = 2
"""Most batches that wait in a lane's inbox.

With the lane's unsent records and the batch that is being filled, they are all that is in memory.
"""


@dataclass(frozen=True)
class LaneEnd:
    """Reports that a lane has ended.

    Attributes:
        error: error with which it ended; None if it ended as it should.
    """

    error: BaseException | None = None


Finished: TypeAlias = "queue.SimpleQueue[OutcomeGroup | RefusedBatch | LaneEnd | None]"
"""Type of the queue of the lanes' reports; None reports that a lane has taken a batch from its inbox."""


class Lane:
    """Sends batches from its inbox, and puts the outcomes of their records into the outbox.

    Args:
        number: number of the lane in its partition.
        partition_index: number of the partition.
        settings: how to deliver.
        process: connections, time slots, and what is known about the API.
        stop: stop flag that the partition's lanes share.
        sampler: samples memory and CPU; None if this is not wanted.
        finished: outbox that the partition's lanes share.
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
        self._unsent = BatchBuilder()
        self._sizer = LaneSizer(process.sizing, settings.ceiling)
        self._number = number
        self._partition_index = partition_index
        self._settings = settings
        self._process = process
        self._stop = stop
        self._sampler = sampler
        self._finished = finished
        self._client: BatchClient | None = None
        self._person_order = BlockedPersons(settings.hold_person_after_failure)
        self._sequence = 0
        self._records_under_way = 0
        self._worker = f"{socket.gethostname()}-{os.getpid()}"
        self._thread = threading.Thread(target=self._run, name=f"cio-spark-lane-{number}", daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Make the thread end although there is work left; the partition's stop flag must be set before."""
        while True:  # this ends: the lane empties its inbox too, or it has crashed and nobody fills the inbox
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
        """Wait for the thread's end, for `seconds` at most."""
        self._thread.join(seconds)

    def _run(self) -> None:
        try:
            self._client = self._process.borrow_client()
            try:
                bisection = self._bisection(self._client)
                for batch in self._batches():
                    for group in self._deliver(batch, bisection):
                        self._finished.put(group)
            finally:
                client, self._client = self._client, None
                self._process.return_client(client)
        except BaseException as error:
            self._finished.put(LaneEnd(error))
        else:
            self._finished.put(LaneEnd())

    def _batches(self) -> Iterator[Batch]:
        """Yield one batch after the other, each cut when it is to be sent, under the limit of that moment."""
        for parcel in iter(self.inbox.get, None):
            self._finished.put(None)
            limit = self._sizer.next_limit()
            if parcel.is_full and self._unsent.is_empty and limit == self._settings.ceiling:
                yield parcel  # it was cut under the same limit
                continue
            self._unsent.add(parcel.records)
            # Records that fill a batch under one limit may not fill a batch under the next limit
            while self._unsent.is_full(limit) and (batch := self._unsent.take(limit)) is not None:
                yield batch
                limit = self._sizer.next_limit()
        while (batch := self._unsent.take(self._sizer.next_limit())) is not None:
            yield batch

    def _bisection(self, client: BatchClient) -> Bisection:
        settings, process = self._settings, self._process
        sender = Sender(
            client,
            process.rate(settings.seconds_between_requests),
            process.compression,
            RetryPolicy(settings.retries, settings.retry_backoff_seconds),
            settings.timeout_seconds,
            self._stop,
            process.clock,
            process.circuit,
            Throttle(settings.seconds_between_requests, process.clock),
            log=LaneLog(process.log, Place(settings.wave, self._partition_index, self._number)),
            between_tries=self._between_tries,
        )
        return Bisection(
            lambda batch, most_requests, tried: self._send(sender, batch, most_requests, tried),
            self._person_order,
            process.clock,
            divides=not settings.stops_at_first_failure,
            nearly_everything_refused=lambda: process.refusals.nearly_everything,
            parts_of=self._sizer.parts_of,
        )

    def _between_tries(self, sending: Sending, wait_seconds: float) -> AbstractContextManager[object]:
        """Tell the retry watch, if there is one, that the current batch waits for its next try."""
        watch = self._process.retry_watch
        if watch is None:
            return nullcontext()
        batch_id = self._batch_id(self._sequence + 1)
        records = self._records_under_way
        return watch(WaitingBatch(self._settings.run_id, batch_id, self._number, records, sending, wait_seconds))

    def _batch_id(self, sequence: int) -> str:
        settings = self._settings
        place = f"w{settings.wave}-p{self._partition_index}-l{self._number}"
        return f"{settings.operation_type}-{settings.run_id}-{place}-{sequence}"

    def _send(self, sender: Sender, batch: Batch, most_requests: int | None, tried: int) -> Sending:
        """Send a batch or a part of one, and stop the partition if the answer demands it."""
        sending = sender.send(
            batch.body(),
            most_requests,
            tried=tried,
            learn=lambda verdict: self._sizer.record(batch, verdict),
            outgrown=lambda sending: self._sizer.has_outgrown(batch, sending),
        )
        verdict = sending.verdict
        if verdict is None:
            return sending
        if verdict.accepted:
            self._process.refusals.accept()
        elif verdict.rule.stop_code is not None:
            self._stop.set(verdict.rule.stop_code, verdict.answer.brief)
        elif self._settings.stops_at_first_failure:
            self._stop.set(StopCode.FAIL_FAST, verdict.answer.brief)
        return sending

    def _deliver(self, batch: Batch, bisection: Bisection) -> Iterator[OutcomeGroup | RefusedBatch]:
        """Send a batch without the records of blocked persons, and yield the outcomes of all its records."""
        batch, held = self._person_order.take_out(batch)
        if held is not None:
            yield group_of(HELD, held.records)
        if not batch.size:
            return
        if self._stop.is_set():
            yield group_of(not_attempted(self._stop), batch.records)
            return
        self._records_under_way = batch.size
        settlement = bisection.settle(batch)
        groups = self._groups(batch, settlement)
        refusals = self._process.refusals
        if not settlement.refused_throughout or refusals.something_accepted or not self._settings.stop_when_all_refused:
            yield from groups
            return
        refusals.refuse_batch(settlement.refused_alone, settlement.last_reason)
        if refusals.api_refuses_everything:
            self._stop.set(StopCode.REFUSES_EVERYTHING, refusals.cause)
        yield RefusedBatch(groups)

    def _groups(self, batch: Batch, settlement: Settlement) -> list[OutcomeGroup]:
        """Return the groups of a finished root batch; the first group that was in a request has the batch's facts."""
        facts, batch_id = None, ""
        if settlement.attempted:
            self._sequence += 1
            batch_id = self._batch_id(self._sequence)
            facts = self._facts(batch, settlement)
        groups: list[OutcomeGroup] = []
        for piece in settlement.pieces:
            group = group_of(outcome_of(piece, self._stop, batch_id, facts), piece.batch.records)
            groups.append(group._replace(batch=None) if any(earlier.batch for earlier in groups) else group)
        return groups

    def _facts(self, batch: Batch, settlement: Settlement) -> BatchFacts:
        usage = self._sampler.sample() if self._sampler is not None else NOT_SAMPLED
        root, sendings = settlement.sendings[0], settlement.sendings
        return BatchFacts(
            wave=self._settings.wave,
            partition=self._partition_index,
            lane=self._number,
            worker=self._worker,
            started_at=root.started_at,
            completed_at=self._process.clock.now(),
            records=batch.size,
            bytes=root.body_bytes,
            compressed_bytes=root.verdict.answer.compressed_bytes if root.verdict is not None else None,
            requests=sum(sending.requests for sending in sendings),
            attempts=sum(sending.attempts for sending in sendings),
            splits=settlement.splits,
            request_seconds=sum(sending.request_seconds for sending in sendings),
            throttled_seconds=sum(sending.throttled_seconds for sending in sendings),
            memory_usage_mb=usage.memory_mb,
            cpu_usage_percent=usage.cpu_percent,
            limit_records=self._sizer.in_force.records,
            limit_bytes=self._sizer.in_force.bytes,
        )
