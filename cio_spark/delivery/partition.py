"""Delivers one partition: takes rows, yields groups of outcomes, and keeps memory flat for partitions of any size."""

from __future__ import annotations

import queue
from collections.abc import Generator, Iterable, Iterator, Sequence
from itertools import zip_longest

import pyarrow as pa

from cio_spark.clock import Clock, SystemClock
from cio_spark.delivery.batching import Batch, BatchBuilder
from cio_spark.delivery.lane import Finished, Lane, LaneEnd
from cio_spark.delivery.outcome import OutcomeGroup
from cio_spark.delivery.process_state import ProcessState, process_state
from cio_spark.delivery.record_check import refuse_unfit
from cio_spark.delivery.refusal_quarantine import RefusalQuarantine, RefusedBatch
from cio_spark.delivery.resources import ResourceSampler
from cio_spark.delivery.settings import DeliverySettings
from cio_spark.delivery.stop import Stop, StopCode

JOIN_SECONDS = 5.0
SYSTEM_CLOCK = SystemClock()


def deliver_partition(
    partition_index: int,
    chunks: Iterable[pa.RecordBatch],
    settings: DeliverySettings,
    *,
    clock: Clock = SYSTEM_CLOCK,
    process: ProcessState | None = None,
) -> Generator[OutcomeGroup, None, None]:
    """Send the records of one partition.

    Args:
        partition_index: number of the partition, for batch ids.
        chunks: prepared records with the columns of `records.PREPARED`; a chunk is read when it is needed.
        settings: how to deliver.
        clock: tells the time.
        process: connections and time slots; None for those of this worker process, which are kept for its next task.

    Yields:
        Groups of records that share one outcome, as soon as they are finished; every record is in exactly one group.

    Raises:
        Exception: the error that a lane's thread raised; outcomes of the API are never exceptions.
    """
    lanes = _Lanes(partition_index, settings, clock, process)
    builders = [BatchBuilder() for _ in range(settings.lanes)]
    ceiling = settings.ceiling
    try:
        for chunk in chunks:
            fit, refused = refuse_unfit(chunk)
            yield from refused
            full: list[list[tuple[int, Batch]]] = []
            for number, part in _by_lane(fit, builders):
                builders[number].add(part)
                full.append([(number, batch) for batch in builders[number].full(ceiling)])
            # Serve the lanes in turn, so that no lane waits while the inbox of another one is full
            for turn in zip_longest(*full):
                for number, batch in filter(None, turn):
                    yield from lanes.hand_over(number, batch)
        for number, builder in enumerate(builders):
            if (rest := builder.take(ceiling)) is not None:
                yield from lanes.hand_over(number, rest)
        yield from lanes.drain()
    finally:
        lanes.close()


def _by_lane(records: pa.RecordBatch, lanes: Sequence[object]) -> Iterator[tuple[int, pa.RecordBatch]]:
    if len(lanes) == 1:
        yield 0, records
        return
    numbers = records.column("lane").to_numpy() % len(lanes)
    for number in range(len(lanes)):
        yield number, records.filter(pa.array(numbers == number))


class _Lanes:
    """Manages the lanes of one partition; a lane is started when it gets its first batch."""

    def __init__(
        self, partition_index: int, settings: DeliverySettings, clock: Clock, process: ProcessState | None
    ) -> None:
        self._partition_index = partition_index
        self._settings = settings
        self._clock = clock
        self._process = process
        self._stop = Stop(clock, settings.send_until)
        self._finished: Finished = queue.SimpleQueue()
        self._sampler: ResourceSampler | None = None
        self._quarantine: RefusalQuarantine | None = None
        self._lanes: dict[int, Lane] = {}
        self._running = 0

    def hand_over(self, number: int, batch: Batch) -> Iterator[OutcomeGroup]:
        """Give a lane a batch, wait while its inbox is full, and yield what is finished in the meantime."""
        lane = self._lanes.get(number) or self._start(number)
        while not self._finished.empty():
            yield from self._next()
        while True:
            try:
                lane.inbox.put_nowait(batch)
                return
            except queue.Full:
                # Any report may mean that there is room again; a lane with a full inbox will report something.
                yield from self._next()

    def drain(self) -> Iterator[OutcomeGroup]:
        """Let the lanes finish their work, and yield the remaining groups."""
        waiting = list(self._lanes.values())
        while waiting or self._running:
            waiting = [lane for lane in waiting if not _told_to_end(lane)]
            if self._running:
                yield from self._next()
        if self._quarantine is not None:
            yield from self._quarantine.release(at_end=True)

    def close(self) -> None:
        """End the threads, also if the consumer has stopped reading or a lane has crashed."""
        if self._running:
            self._stop.set(StopCode.STOPPED, "the task was cancelled")
            for lane in self._lanes.values():
                lane.cancel()
        for lane in self._lanes.values():
            lane.join(JOIN_SECONDS)

    def _start(self, number: int) -> Lane:
        if self._process is None:
            self._process = process_state(self._settings, self._clock)
        if self._quarantine is None:
            self._quarantine = RefusalQuarantine(self._process.refusals)
        if self._sampler is None and self._settings.sample_resources:
            self._sampler = ResourceSampler(self._clock)
        lane = Lane(
            number, self._partition_index, self._settings, self._process, self._stop, self._sampler, self._finished
        )
        self._lanes[number] = lane
        self._running += 1
        return lane

    def _next(self) -> Iterator[OutcomeGroup]:
        """Wait for the next report of a lane, and yield the groups that it finishes, if any."""
        report = self._finished.get()
        if isinstance(report, LaneEnd):
            self._running -= 1
            if report.error is not None:
                raise report.error
        elif isinstance(report, OutcomeGroup):
            yield report
        elif self._quarantine is not None:
            if isinstance(report, RefusedBatch):
                self._quarantine.add(report)
            yield from self._quarantine.release()


def _told_to_end(lane: Lane) -> bool:
    try:
        lane.inbox.put_nowait(None)
    except queue.Full:
        return False
    return True
