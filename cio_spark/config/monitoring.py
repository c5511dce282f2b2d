"""Describes when a sync raises alerts, and where they are reported."""

from __future__ import annotations

from pydantic import Field

from cio_spark.config.base import ConfigModel, Real, Whole
from cio_spark.config.secret_ref import SecretRef


class MonitoringSection(ConfigModel):
    """Sets the time windows and thresholds of alerts, and their webhook."""

    window_minutes: Whole = Field(
        5, ge=1, le=24 * 60, description="The last minutes whose batches decide about errors, slowness and throughput."
    )
    minimum_records: Whole = Field(
        100,
        ge=1,
        le=1_000_000_000,
        description="Records a window needs for an alert to open (1 for suppressions); with fewer, an open one still "
        "resolves once work has ended without its condition.",
    )
    minimum_busy_seconds: Real = Field(
        10.0, ge=0.0, le=3600.0, description="Seconds of work a window needs to say anything about throughput."
    )
    error_rate_factor: Real = Field(
        2.0, ge=1.0, le=100.0, description="Critical above so many times batch.error_threshold_percent."
    )
    slow_batch_seconds: Real = Field(60.0, gt=0.0, le=86_400.0, description="A batch that takes longer is a warning.")
    low_throughput_percent: Real = Field(
        30.0,
        ge=0.0,
        le=100.0,
        description="A warning below this share of batch.rate_limit_rps, in percent, while there was work; 0: never.",
    )
    expected_every_minutes: Whole | None = Field(
        None, ge=1, le=525_600, description="A warning when no run has started for so long; none: never."
    )
    most_dead_letters: Whole = Field(
        1000, ge=0, le=1_000_000_000, description="A warning when more dead letters wait for a replay."
    )
    volume_change_percent: Real = Field(
        50.0,
        gt=0.0,
        le=1_000_000.0,
        description="A warning when a run's source has so many percent more or fewer rows than the median of the runs "
        "before it (at least 3, at most 7).",
    )
    webhook_secret: SecretRef | None = Field(
        None,
        description="The Databricks secret that holds the webhook's address (Slack's form); CIO_SPARK_WEBHOOK_URL in "
        "the environment wins.",
    )
