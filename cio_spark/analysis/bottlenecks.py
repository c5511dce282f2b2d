"""Finds the bottlenecks of a run, each with its figure and one concrete recommendation, by pure arithmetic."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from cio_spark.analysis.measured import Measured
from cio_spark.config import BatchConfiguration, BatchStrategy
from cio_spark.planning import body_limit

HIGH_VARIANCE = 0.5
"""Standard deviation of the batches' times as a share of their mean; more counts as high (the notebook's value)."""
SLOW_SECONDS = 10.0
"""Mean time of a batch above which batches count as slow (the notebook's value)."""
LOW_THROUGHPUT = 0.5
"""Requests per second as a share of the limit; less counts as low (the notebook's value)."""
LEAST_BUSY_SECONDS = 3.0
"""Least busy time for a finding about speed: the window over which the API counts requests."""
MUCH_WAITING_PERCENT = 50.0
MUCH_RETRYING_PERCENT = 10.0
SKEWED = 2.0
SMALL_FILL = 0.5
"""Records and bytes of a batch as shares of their limits; a batch counts as small if both are less."""
SHRUNKEN = 0.75
"""Mean of the record limits of a run's requests as a share of the largest limit; less counts as shrunken."""
MOST_WORKERS = 20


@dataclass(frozen=True)
class Bottleneck:
    """Describes one bottleneck of a run.

    Attributes:
        type: high_variance, slow_processing, low_throughput, high_errors, rate_limited, skewed_partitions,
            shrunken_batches, small_batches or many_retries.
        description: the bottleneck in a few words.
        severity: low, medium or high.
        metric: the measured figure, mostly with the value that it is compared with.
        category: category of the recommendation.
        suggestion: the recommendation.
    """

    type: str
    description: str
    severity: str
    metric: str
    category: str
    suggestion: str


def find_bottlenecks(
    measured: Measured, config: BatchConfiguration, *, error_threshold_percent: float | None = None
) -> list[Bottleneck]:
    """Find the bottlenecks of a run.

    Args:
        measured: figures of the run.
        config: batch configuration that the run had.
        error_threshold_percent: threshold to use instead of the configuration's, such as 0 for suppressions; None to
            use the configuration's.
    """
    threshold = config.error_threshold_percent if error_threshold_percent is None else error_threshold_percent
    long_enough = measured.busy_seconds >= LEAST_BUSY_SECONDS
    found = list(_of_times(measured, config))
    if long_enough:
        found += _of_speed(measured, config)
    found += _of_errors(measured, config, threshold)
    return found


def _of_times(measured: Measured, config: BatchConfiguration) -> Iterator[Bottleneck]:
    mean, deviation = measured.avg_processing_time_seconds, measured.std_processing_time_seconds
    if mean and deviation > HIGH_VARIANCE * mean:
        yield Bottleneck(
            "high_variance",
            "High variance in batch processing times",
            "medium",
            f"Std dev: {deviation:.2f}s, Avg: {mean:.2f}s",
            "batch_sizing",
            _why_they_differ(measured, config),
        )
    if mean > SLOW_SECONDS:
        waiting = measured.throttled_percent > MUCH_WAITING_PERCENT
        yield Bottleneck(
            "slow_processing",
            "Slow average batch processing time",
            "high",
            f"Avg time: {mean:.2f}s",
            "performance",
            "most of it is waiting: lower parallel_workers, or raise rate_limit_rps if the workspace allows it"
            if waiting
            else f"a request takes {measured.request_time_mean_seconds:.2f} s: halve max_batch_size to "
            f"{max(1, config.max_batch_size // 2):,}",
        )


def _why_they_differ(measured: Measured, config: BatchConfiguration) -> str:
    if measured.retry_percent >= 1:
        return f"{measured.retry_percent:.0f} % of the tries were retries: view slowest_batches shows which batches"
    if measured.throttled_percent > MUCH_WAITING_PERCENT:
        return f"{measured.throttled_percent:.0f} % of the time was waiting for turns: lower parallel_workers"
    if config.strategy is BatchStrategy.SIZE_BASED:
        return "the API's answers take differently long: strategy: time_based makes requests smaller while they do"
    return "batches of different sizes, or an API whose answers take differently long: strategy: size_based"


def _of_speed(measured: Measured, config: BatchConfiguration) -> Iterator[Bottleneck]:
    rate, most = measured.requests_per_second, measured.limit_records_most
    if rate < LOW_THROUGHPUT * config.rate_limit_rps:
        latency = measured.request_time_mean_seconds
        needed = max(1, math.ceil(config.rate_limit_rps * latency))
        yield Bottleneck(
            "low_throughput",
            "Throughput significantly below rate limit",
            "medium",
            f"Throughput: {rate:.1f} requests/s, Limit: {config.rate_limit_rps} requests/s",
            "throughput",
            _how_to_speed_up(needed, latency, config),
        )
    if measured.throttled_percent > MUCH_WAITING_PERCENT and not measured.rate_limited_batches:
        yield Bottleneck(
            "rate_limited",
            "Most of the time was spent waiting for the rate limit",
            "low",
            f"Waiting: {measured.throttled_seconds:.0f} s, {measured.throttled_percent:.0f} % of the lanes' time, "
            f"Limit: {config.rate_limit_rps} requests/s",
            "rate",
            f"raise rate_limit_rps if the workspace allows more than {config.rate_limit_rps} requests/s, "
            "or fill requests better with a larger max_batch_size",
        )
    if measured.partitions > 1 and measured.partition_skew > SKEWED:
        yield Bottleneck(
            "skewed_partitions",
            "One partition had far more work than the others",
            "medium",
            f"Busiest partition: {measured.partition_skew:.1f} × the mean of {measured.partitions} partitions",
            "partitioning",
            "a person's records stay together: look for one id with very many records (a test user, a default value) "
            "and leave it out with source.where",
        )
    if config.strategy is BatchStrategy.ADAPTIVE and 0 < measured.limit_records_mean < SHRUNKEN * most:
        yield Bottleneck(
            "shrunken_batches",
            "The API's answers kept requests small",
            "medium",
            f"Mean limit: {measured.limit_records_mean:,.0f} of {most:,} records a request",
            "batch_sizing",
            f"set max_batch_size to about {max(1, round(measured.limit_records_mean)):,} if error_categories shows "
            "time-outs or 413, which come of the size; where it shows 429, lower rate_limit_rps",
        )
    fill = max(
        measured.records_per_batch / config.max_batch_size,
        measured.bytes_per_batch / body_limit(config),
    )
    one_by_one = measured.records_per_batch <= 1  # calls that need a request of their own
    if measured.batch_count > config.parallel_workers and fill < SMALL_FILL and not one_by_one:
        yield Bottleneck(
            "small_batches",
            "Requests were far from full",
            "low",
            f"Mean: {measured.records_per_batch:.0f} of {config.max_batch_size} records, "
            f"{measured.bytes_per_batch:,.0f} of {body_limit(config):,} bytes",
            "batch_sizing",
            "lower parallel_workers, so that each lane fills its requests; for small syncs that is as it should be",
        )


def _how_to_speed_up(needed: int, latency: float, config: BatchConfiguration) -> str:
    if needed <= config.parallel_workers:
        return "neither rate nor workers hold it back: give the job more task slots (cores)"
    in_flight = f"at {latency:.3f} s a request the limit needs {needed} requests in flight"
    if config.parallel_workers >= MOST_WORKERS:
        return f"{in_flight}, more than there can be: larger requests (max_batch_size) carry more records each"
    return f"{in_flight}: raise parallel_workers from {config.parallel_workers} to {min(needed, MOST_WORKERS)}"


def _of_errors(measured: Measured, config: BatchConfiguration, threshold: float) -> Iterator[Bottleneck]:
    if measured.error_rate_percent > threshold:
        yield Bottleneck(
            "high_errors",
            "Error rate above threshold",
            "high",
            f"Error rate: {measured.error_rate_percent:.2f}%, Threshold: {threshold}%",
            "reliability",
            "look at the view error_categories and mend the most frequent reason; `cio-spark replay` sends dead "
            "letters again",
        )
    if measured.rate_limited_batches:
        yield Bottleneck(
            "rate_limited",
            "The API asked to slow down",
            "high",
            f"Batches given up after a 429: {measured.rate_limited_batches} of {measured.batch_count}",
            "rate",
            f"lower rate_limit_rps from {config.rate_limit_rps} to "
            f"{max(1, min(config.rate_limit_rps - 1, math.floor(measured.requests_per_second)))}: other senders share "
            "the workspace's limit",
        )
    if measured.retry_percent > MUCH_RETRYING_PERCENT:
        yield Bottleneck(
            "many_retries",
            "Much time went into retries",
            "medium",
            f"Retries: {measured.retries} ({measured.retry_percent:.0f} % of tries), about "
            f"{measured.retry_seconds:.0f} s",
            "reliability",
            f"lower parallel_workers from {config.parallel_workers} to {max(1, config.parallel_workers // 2)} and see "
            "whether they go away; if time-outs are the reason, raise timeout_seconds",
        )
