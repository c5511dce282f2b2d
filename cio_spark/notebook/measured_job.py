"""Measures a job that is only in memory, by the formulas that the views have for runs."""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any

from cio_spark.analysis.measured import Measured
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.metrics import BatchMetrics


def measured_of_job(job: BatchJob) -> Measured:
    """The figures of a job that is only in memory; by the same formulas, over its batches.

    What a batch does not say of itself is taken from what it does: one request and its retries, all of its time in
    requests.

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
    """HTTP requests of a batch: counted, else one and its retries."""
    return batch.requests or batch.retry_count + 1


def attempts_of(batch: BatchMetrics) -> int:
    """Give the tries of a batch and its parts: counted, else one and its retries."""
    return batch.retry_count + 1 if batch.attempts is None else batch.attempts


def request_seconds_of(batch: BatchMetrics) -> float:
    """Time of a batch in requests: measured, else all of it but what it says it waited."""
    if batch.request_seconds is not None:
        return batch.request_seconds
    return max(0.0, batch.processing_time_seconds - (batch.throttled_seconds or 0.0))


def busy_seconds(job: BatchJob) -> float:
    """Time in which at least one batch was under way; batches without times are taken to have filled every worker."""
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
    """Seconds covered by at least one of some spans of time; what ends before it starts covers nothing."""
    covered, end = timedelta(), None
    for start, stop in sorted(spans):
        begin = start if end is None else max(start, end)
        if stop > begin:
            covered += stop - begin
        end = stop if end is None else max(end, stop)
    return covered.total_seconds()


def _slope(single: Sequence[BatchMetrics]) -> float | None:
    """How much longer a request takes for one more record; None where sizes differ too little to say."""
    sizes = [batch.total_records for batch in single]
    if len(sizes) <= 2 or statistics.pstdev(sizes) <= 0.1 * statistics.mean(sizes):
        return None
    return max(0.0, statistics.linear_regression(sizes, [request_seconds_of(batch) for batch in single]).slope)


def mean(values: Sequence[float]) -> float:
    """The mean; 0 of nothing."""
    return statistics.mean(values) if values else 0.0


def _ratio(above: float, below: float) -> float:
    return above / below if below else 0.0
