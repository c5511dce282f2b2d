"""Computes a `DeliveryPlan` from configuration, task slots and counts, by pure arithmetic."""

from cio_spark.planning.lease_times import longest_wave_seconds, send_window_seconds, survey_seconds
from cio_spark.planning.plan import plan_delivery
from cio_spark.planning.rate_shares import Pacing, divide_rate
from cio_spark.planning.request_limits import body_limit, records_limit
from cio_spark.planning.scope_choice import (
    HOUSEKEEPING,
    MOST_CHANGED_SHARE,
    ScopeFacts,
    SourceState,
    choose_before_history,
    choose_by_history,
)
from cio_spark.planning.wave_count import count_waves

__all__ = [
    "HOUSEKEEPING",
    "MOST_CHANGED_SHARE",
    "Pacing",
    "ScopeFacts",
    "SourceState",
    "body_limit",
    "choose_before_history",
    "choose_by_history",
    "count_waves",
    "divide_rate",
    "longest_wave_seconds",
    "plan_delivery",
    "records_limit",
    "send_window_seconds",
    "survey_seconds",
]
