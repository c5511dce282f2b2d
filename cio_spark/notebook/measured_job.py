"""Measures a job that is only in memory, with the same formulas that the views apply to runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from cio_spark.analysis.measured import Measured
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.metrics import BatchMetrics


def measure_job(job: BatchJob) -> Measured:
    """Compute the figures of a job that is only in memory from its batches, with the formulas of the views.

    If a batch has no count of requests, it counts as one request and its retries. If it has no time in requests, that
    is its processing time without the time in which it was throttled.

    Args:
        job: the job.
    """
    batches = job.batch_metrics
    sent = [batch for batch in batches if batch.processing_time_seconds > 0]
    times = [batch.processing_time_seconds for batch in sent]
    throughputs = [batch.throughput_rps for batch in batches if batch.throughput_rps > 0]
    records = sum(batch.total_records for batch in batches)
    accepted = sum(batch.successful_records for batch in batches)
    failed = sum(batch.failed_records for batch in batches)
    requests = sum(requests_of(batch) for batch in sent)
    retries = sum(batch.retry_count for batch in sent)
    attempts = sum(attempts_of(batch) for batch in sent)
    request_seconds = sum(request_seconds_of(batch) for batch in sent)
    throttled_seconds = sum(batch.throttled_seconds or 0.0 for batch in sent)
    sized = [batch for batch in sent if batch.bytes is not None]
    body_bytes = sum(batch.bytes or 0 for batch in sized)
    busy = busy_seconds(job)
    return Measured(
        batch_count=len(batches),
        total_records=records,
        accepted_records=accepted,
        failed_records=failed,
        error_rate_percent=_ratio(100.0 * failed, records),
        avg_error_rate_percent=mean([batch.error_rate_percent for batch in batches]),
        avg_throughput_rps=mean(throughputs),
        max_throughput_rps=max(throughputs, default=0.0),
        avg_processing_time_seconds=mean(times),
        min_processing_time_seconds=min(times, default=0.0),
        max_processing_time_seconds=max(times, default=0.0),
        std_processing_time_seconds=statistics.stdev(times) if len(times) > 1 else 0.0,
        busy_seconds=busy,
        requests=requests,
        requests_per_second=_ratio(requests, busy),
        records_per_second=_ratio(accepted, busy),
        retries=retries,
        retry_percent=_ratio(100.0 * retries, attempts),
        retry_seconds=_ratio(request_seconds * retries, attempts),
        request_seconds=request_seconds,
        throttled_seconds=throttled_seconds,
        throttled_percent=_ratio(100.0 * throttled_seconds, throttled_seconds + request_seconds),
        request_time_mean_seconds=_ratio(request_seconds, requests),
        bytes_per_record=_ratio(body_bytes, sum(batch.total_records for batch in sized)),
        bytes_per_batch=_ratio(body_bytes, len(sized)),
        records_per_batch=_ratio(sum(batch.total_records for batch in sent), len(sent)),
        seconds_per_record=_slope([batch for batch in sent if requests_of(batch) == 1]),
    )


def requests_of(batch: BatchMetrics) -> int:
    """Return the number of HTTP requests of a batch: as counted, else one plus its retries."""
    return batch.requests or batch.retry_count + 1


def attempts_of(batch: BatchMetrics) -> int:
    """Return the number of tries of a batch and its parts: as counted, else one plus its retries."""
    return batch.retry_count + 1 if batch.attempts is None else batch.attempts


def request_seconds_of(batch: BatchMetrics) -> float:
    """Return the seconds that a batch spent in requests: as measured, else its processing time minus its waiting."""
    if batch.request_seconds is not None:
        return batch.request_seconds
    return max(0.0, batch.processing_time_seconds - (batch.throttled_seconds or 0.0))


def busy_seconds(job: BatchJob) -> float:
    """Return the seconds in which at least one batch was under way.

    Batches without times are taken to have kept all workers busy at the same time.
    """
    timed = [
        (batch.started_at, batch.completed_at)
        for batch in job.batch_metrics
        if batch.started_at is not None and batch.completed_at is not None
    ]
    untimed = sum(
        batch.processing_time_seconds
        for batch in job.batch_metrics
        if batch.started_at is None or batch.completed_at is None
    )
    lanes = max(1, min(job.configuration.parallel_workers, len(job.batch_metrics)))
    return covered_seconds(timed) + untimed / lanes


def covered_seconds(spans: Iterable[tuple[Any, Any]]) -> float:
    """Return the seconds that at least one of the spans of time covers; a span that ends before it starts counts 0."""
    covered, end = timedelta(), None
    for start, stop in sorted(spans):
        begin = start if end is None else max(start, end)
        if stop > begin:
            covered += stop - begin
        end = stop if end is None else max(end, stop)
    return covered.total_seconds()


def _slope(single: Sequence[BatchMetrics]) -> float | None:
    """Return the seconds that one more record adds to a request; None if batch sizes differ too little to tell."""
    sizes = [batch.total_records for batch in single]
    if len(sizes) <= 2 or statistics.pstdev(sizes) <= 0.1 * statistics.mean(sizes):
        return None
    return max(0.0, statistics.linear_regression(sizes, [request_seconds_of(batch) for batch in single]).slope)


def mean(values: Sequence[float]) -> float:
    """Return the mean of values; 0 if there are none."""
    return statistics.mean(values) if values else 0.0


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0
