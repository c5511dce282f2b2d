"""Sends lists of requests from one process, several at a time, through the delivery that the tasks of a sync use."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import islice
from typing import Any, TypeVar

import pyarrow as pa

from cio_spark.clock import Clock, SystemClock
from cio_spark.config import BatchConfiguration, BatchStatus
from cio_spark.config.loader import FIRST_TO_LAST
from cio_spark.delivery import DeliverySettings, PreparedRow, ProcessState, deliver_partition
from cio_spark.delivery.outcome import ACCEPTED, NOT_ATTEMPTED
from cio_spark.delivery.records import record_batch
from cio_spark.delivery.retry_watch import RetryWatch
from cio_spark.notebook.borrowed_client import BatchSender, UserClientAdapter
from cio_spark.notebook.customerio_client import CustomerIOClient
from cio_spark.notebook.intelligent import BatchCutter
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.job_log import JobLog
from cio_spark.notebook.job_settings import job_settings
from cio_spark.notebook.metrics import BatchMetrics
from cio_spark.notebook.request import prepare_request
from cio_spark.notebook.retrying import BatchNames, RetryingBatches
from cio_spark.notebook.tally import Tally

MOST_QUEUED = 1_000
_SHUT_DOWN = "not sent: the processor was shut down"
_Item = TypeVar("_Item")


class ParallelBatchProcessor:
    """Sends jobs one after the other, each with at most `parallel_workers` requests at a time.

    A person's requests are sent one after the other, in the order of the list. `metrics_queue` has the newest 1,000
    finished batches and `error_queue` the newest 1,000 failures, for other threads to read; `retrying_batches` lists
    the batches that wait between two tries. Jobs and batches are logged as `job_started`, `batch_retrying`,
    `batch_finished` and `job_finished`. Setting `shutdown_event` ends a job: requests that the delivery already has are
    finished, all others are counted as failed, and the job's status is `cancelled`.

    Args:
        client: a `CustomerIOClient`, of which only the key and the address are used, because the processor has its own
            connections. Or any other object with a method `batch(requests)`, which several threads call at once.
        config: configuration of `process_batch_worker`; a job brings its own configuration.
        clock: source of time; None for the system's clock.
    """

    def __init__(self, client: BatchSender, config: BatchConfiguration, *, clock: Clock | None = None) -> None:
        self.client = client
        self.config = config
        self._log = JobLog()
        self.logger = self._log.logger
        self._retrying = RetryingBatches()
        self._worker_of: dict[str, str] = {}
        self.metrics_queue: queue.Queue[BatchMetrics] = queue.Queue(MOST_QUEUED)
        self.error_queue: queue.Queue[dict[str, Any]] = queue.Queue(MOST_QUEUED)
        self.shutdown_event = threading.Event()
        self._clock = clock or SystemClock()
        self._connection = client.connection if isinstance(client, CustomerIOClient) else None
        self._lock = threading.Lock()
        self._shared: ProcessState | None = None

    def process_batch_worker(self, worker_id: str, batch_data: Sequence[dict[str, Any]], batch_id: str) -> BatchMetrics:
        """Send one batch; several threads may call this, and they share the rate limit.

        Args:
            worker_id: id of the caller.
            batch_data: the requests; they are sent in several HTTP requests if one cannot hold them.
            batch_id: id of the batch.

        Returns:
            The metrics of the batch; failures are in them and are never raised.
        """
        whole = Tally(ACCEPTED)
        began = self._clock.now()
        settings = self._settings(batch_id, batch_data, self.config, self.config.max_batch_size, lanes=1)
        with self._lock:
            self._worker_of[batch_id] = worker_id
            process = self._shared = self._shared or self._process_for(
                settings, self._retrying.watch_of(lambda batch: (batch.run_id, self._worker_of.get(batch.run_id)))
            )
        try:
            tallies = self._send(batch_data, settings, process)
        finally:
            self._worker_of.pop(batch_id, None)
        for tally in tallies:
            whole.merge(tally)
        if any(tally.status == NOT_ATTEMPTED for tally in tallies):
            self.close()  # the circuit breaker may have given up the API: the next batch begins with a new one
        metrics = whole.metrics(batch_id, self.config.error_threshold_percent, worker_id)
        metrics.started_at, metrics.completed_at = began, self._clock.now()
        metrics.processing_time_seconds = max(0.0, (metrics.completed_at - began).total_seconds())
        metrics.calculate_derived_metrics()
        self._report(metrics, whole.codes)
        return metrics

    def process_jobs(self, jobs: Iterable[tuple[BatchJob, Sequence[dict[str, Any]]]]) -> list[BatchJob]:
        """Send several jobs one after the other, those of critical priority first, then high, normal and low.

        Args:
            jobs: each job with its requests; jobs of equal priority are sent in this order.

        Returns:
            The jobs in the order in which they were sent. Once `shutdown_event` is set, the remaining jobs end as
            `cancelled`. After any other end of a job, even a refused key, the next job is still tried.

        Raises:
            Exception: a lane's thread raised it; it is never an outcome of the API. Later jobs stay `pending`.
        """
        ordered = sorted(jobs, key=lambda pair: FIRST_TO_LAST.index(pair[0].priority))
        return [self.process_job(job, data) for job, data in ordered]

    def retrying_batches(self) -> list[BatchMetrics]:
        """List the batches that now wait between two tries; any thread may call this.

        Returns:
            Metrics with the status `retrying`: they have `batch_id`, `worker_id`, `total_records`, the `retry_count` so
            far, and in `errors` the code of the last answer. They are snapshots; the final metrics exist when a batch
            is finished.
        """
        return self._retrying.now()

    def process_job(self, job: BatchJob, data: Sequence[dict[str, Any]]) -> BatchJob:
        """Send a job's requests.

        Args:
            job: the job; its own `configuration` is used. While it is sent, its counts, times and status are updated,
                and the metrics of each finished batch are added; results of an earlier call are removed first.
            data: the requests, preferably with a `type` and a `messageId` each; see `request.prepare_request`.

        Returns:
            The same job; its status is `failed` if its error rate is above the threshold. Every request is counted in
            the metrics of exactly one batch; requests that never were in a batch are counted in a batch named
            `<job id>_invalid` or `<job id>_not_attempted`.
        """
        config = job.configuration
        job.started_at, job.completed_at, job.status = self._clock.now(), None, BatchStatus.PROCESSING
        job.total_records, job.processed_records, job.batch_metrics = len(data), 0, []
        job.estimated_completion = job.started_at + timedelta(seconds=config.estimate_processing_time(len(data)))
        max_records = max(1, config.calculate_optimal_batch_size(len(data)))
        self._log.job_started(job, -(-len(data) // max_records))
        lanes = max(1, min(config.parallel_workers, len(data)))
        status = BatchStatus.FAILED
        names = BatchNames(job.job_id)

        def finish(batch_id: str, tally: Tally) -> None:
            """Report a batch whose records are all counted; records that were in no batch are named by their status."""
            name = f"{job.job_id}_{tally.status}" if tally.facts is None else names.name_of(batch_id)
            metrics = tally.metrics(name, config.error_threshold_percent)
            metrics.priority = job.priority
            job.batch_metrics.append(metrics)
            self._report(metrics, tally.codes, job)

        try:
            settings = self._settings(job.job_id, data, config, max_records, lanes)
            watch = self._retrying.watch_of(
                lambda batch: (names.name_of(batch.batch_id), f"worker_{batch.lane}"), job.priority
            )
            process = self._process_for(settings, watch)
            try:
                self._send(data, settings, process, job, finish)
            finally:
                process.close()
            status = self._status_of(job)
        finally:
            job.completed_at, job.status = self._clock.now(), status
            self._log.job_finished(job)
        return job

    def close(self) -> None:
        """Close the connections of `process_batch_worker`; the client stays open.

        A connection that is in use is closed when its request is done.
        """
        with self._lock:
            process, self._shared = self._shared, None
        if process is not None:
            process.close()

    def __enter__(self) -> ParallelBatchProcessor:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _settings(
        self, key: str, data: Sequence[Any], config: BatchConfiguration, max_records: int, lanes: int
    ) -> DeliverySettings:
        return job_settings(
            config,
            self._connection,
            job_id=key,
            data=data,
            max_records=max_records,
            lanes=lanes,
        )

    def _process_for(self, settings: DeliverySettings, watch: RetryWatch) -> ProcessState:
        """Make the state that the lanes share: connections, time slots, and what they learn about the API."""
        if self._connection is not None:
            return ProcessState(settings, self._clock, retry_watch=watch)
        borrowed = UserClientAdapter(self.client, self._clock)
        return ProcessState(settings, self._clock, lambda: borrowed, watch)

    def _send(
        self,
        data: Sequence[Any],
        settings: DeliverySettings,
        process: ProcessState,
        job: BatchJob | None = None,
        finish: Callable[[str, Tally], None] = lambda _batch_id, _tally: None,
    ) -> list[Tally]:
        """Send the requests, and return a tally for each batch.

        `finish` is called once for each tally; tallies of records that were in no batch come last.
        """
        tallies: dict[str, Tally] = {}
        left = _rows(data, settings)
        chunks = self._chunks(left, min(settings.rows_per_chunk, settings.records_per_request * settings.lanes))
        for group in deliver_partition(0, chunks, settings, clock=self._clock, process=process):
            batch_id = group.batch_id or group.status
            tally = tallies.setdefault(batch_id, Tally(group.status))
            tally.add(group)
            if job is not None and group.status == ACCEPTED:
                job.processed_records += group.records.num_rows
            if tally.complete:
                finish(batch_id, tally)
        unsent = sum(1 for _ in left)
        if unsent:
            tallies.setdefault(NOT_ATTEMPTED, Tally(NOT_ATTEMPTED)).add_unsent(unsent, "shut_down", _SHUT_DOWN)
        for batch_id, tally in tallies.items():
            if not tally.complete:
                finish(batch_id, tally)
        return list(tallies.values())

    def _chunks(self, rows: Iterator[PreparedRow], size: int) -> Iterator[pa.RecordBatch]:
        while not self.shutdown_event.is_set() and (chunk := list(islice(rows, size))):
            yield record_batch(chunk)

    def _report(self, metrics: BatchMetrics, codes: Mapping[str, int], job: BatchJob | None = None) -> None:
        self._log.batch_finished(metrics, codes, job)
        _offer(self.metrics_queue, metrics)
        if metrics.failed_records:
            failure = {"batch_id": metrics.batch_id, "failed_records": metrics.failed_records, "errors": metrics.errors}
            _offer(self.error_queue, failure)

    def _status_of(self, job: BatchJob) -> BatchStatus:
        if self.shutdown_event.is_set() and job.processed_records < job.total_records:
            return BatchStatus.CANCELLED
        error_rate = job.get_aggregate_metrics().get("overall_error_rate_percent", 0.0)
        return BatchStatus.FAILED if error_rate > job.configuration.error_threshold_percent else BatchStatus.COMPLETED


def _rows(data: Sequence[Any], settings: DeliverySettings) -> Iterator[PreparedRow]:
    """Yield the requests as prepared rows with their lanes.

    Batches go to the lanes in turn, but all requests of a person go to the lane of that person's first request.
    """
    cutter = BatchCutter(settings.records_per_request, settings.max_bytes)
    lane_of: dict[str, int] = {}
    for position, request in enumerate(data):
        row = prepare_request(request, position, settings.run_id)
        lane = cutter.place(row.payload_bytes or 0) % settings.lanes
        if row.person_key is not None:
            lane = lane_of.setdefault(row.person_key, lane)
        yield row._replace(lane=lane)


def _offer(waiting: queue.Queue[_Item], item: _Item) -> None:
    """Put an item into a queue; if the queue is full, remove its oldest item first."""
    while True:
        try:
            waiting.put_nowait(item)
            return
        except queue.Full:
            try:
                waiting.get_nowait()
            except queue.Empty:
                continue
