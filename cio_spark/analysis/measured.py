"""Holds the measured figures of a run or of a notebook's job, from which bottlenecks and suggestions are derived."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from cio_spark.config import BatchConfiguration, BatchStrategy


@dataclass(frozen=True)
class Measured:
    """Holds the figures of a run; names, units and formulas are those of `figures.RUN`."""

    batch_count: int = 0
    total_records: int = 0
    accepted_records: int = 0
    failed_records: int = 0
    error_rate_percent: float = 0.0
    avg_error_rate_percent: float = 0.0
    avg_throughput_rps: float = 0.0
    max_throughput_rps: float = 0.0
    avg_processing_time_seconds: float = 0.0
    min_processing_time_seconds: float = 0.0
    max_processing_time_seconds: float = 0.0
    std_processing_time_seconds: float = 0.0
    busy_seconds: float = 0.0
    requests: int = 0
    requests_per_second: float = 0.0
    records_per_second: float = 0.0
    retries: int = 0
    retry_percent: float = 0.0
    retry_seconds: float = 0.0
    request_seconds: float = 0.0
    throttled_seconds: float = 0.0
    throttled_percent: float = 0.0
    request_time_mean_seconds: float = 0.0
    bytes_per_record: float = 0.0
    bytes_per_batch: float = 0.0
    records_per_batch: float = 0.0
    limit_records_mean: float = 0.0
    limit_records_most: int = 0
    rate_limited_batches: int = 0
    partitions: int = 0
    partition_skew: float = 0.0
    seconds_per_record: float | None = None


def measured_of_row(row: Any) -> Measured:
    """Return the figures in a row of the view `run_performance`.

    Args:
        row: row of the view.
    """
    return Measured(**{field.name: row[field.name] for field in fields(Measured)})


def configuration_of_row(row: Any, config: BatchConfiguration) -> BatchConfiguration:
    """Return the batch configuration of a run, as far as its row contains it.

    Args:
        row: row of the view `run_performance`.
        config: configuration with the values for all other fields.
    """
    limits = ("rate_limit_rps", "parallel_workers", "max_batch_size", "max_batch_bytes")
    said = {name: row[name] for name in limits if row[name] is not None}
    strategies = {strategy.value: strategy for strategy in BatchStrategy}
    if row["strategy"] in strategies:
        said["strategy"] = strategies[row["strategy"]]
    return config.model_copy(update=said)
