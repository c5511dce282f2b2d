"""Translates a job's configuration into the settings that the delivery takes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from cio_spark.config import RESERVED_EVENTS, ApiKey, BatchConfiguration, Call
from cio_spark.delivery import DeliverySettings
from cio_spark.notebook.customerio_client import Connection
from cio_spark.notebook.request import type_of
from cio_spark.planning.rate_shares import WINDOW_MARGIN
from cio_spark.planning.request_limits import RequestLimits, body_limit

JOBS_SYNC = "batch_job"
"""Takes the place of a sync's name in log lines and metrics of jobs."""


def job_settings(
    config: BatchConfiguration,
    connection: Connection | None,
    *,
    job_id: str,
    data: Iterable[Any],
    max_records: int,
    lanes: int,
) -> DeliverySettings:
    """Return the settings for the delivery of a job's requests: as of a sync that has one partition.

    Args:
        config: configuration of the job.
        connection: address and key; None if the user's own client sends.
        job_id: id of the job.
        data: the requests.
        max_records: most records of a request, at least 1.
        lanes: most requests in flight at a time.
    """
    # The budget is divided by all workers, not by `lanes`: each worker may send a batch of its own at the same time
    limits = RequestLimits(max_records, body_limit(config)).within_budget(config, config.parallel_workers)
    calls = {_call_of(request) for request in data if isinstance(request, Mapping)}
    return DeliverySettings(
        base_url=connection.base_url if connection else "",
        api_key=connection.api_key if connection else ApiKey("unused"),
        strict_mode=True,
        compress=config.enable_compression and connection is not None,
        run_id=job_id,
        operation_type=Call.TRACK.spec.operation_type,
        wave=0,
        lanes=lanes,
        seconds_between_requests=WINDOW_MARGIN / config.rate_limit_rps,
        max_records=limits.records,
        max_bytes=limits.bytes,
        one_item_per_request=any(call is not None and call.spec.one_item_per_request for call in calls),
        retry_attempts=config.retry_attempts,
        retry_backoff_seconds=config.retry_backoff_seconds,
        timeout_seconds=config.timeout_seconds,
        error_handling=config.error_handling,
        hold_person_after_failure=any(call is None or call.spec.overwrites_state for call in calls),
        sample_resources=config.enable_monitoring,
        strategy=config.strategy,
        target_request_seconds=config.target_request_seconds,
        rows_per_chunk=limits.rows_per_chunk,
        sync=JOBS_SYNC,
    )


def _call_of(request: Mapping[str, Any]) -> Call | None:
    """Return the call that a request makes; None if it is not a known call."""
    kind, event = str(type_of(request)), request.get("event")
    semantic = RESERVED_EVENTS.get(event) if kind == "track" and isinstance(event, str) else None
    return semantic or next((call for call in Call if call.spec.event is None and call.spec.json_type == kind), None)
