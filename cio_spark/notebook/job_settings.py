"""A job's configuration as the delivery takes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from cio_spark.config import RESERVED_EVENTS, ApiKey, BatchConfiguration, Call, SyncConfig
from cio_spark.delivery import DeliverySettings, delivery_settings
from cio_spark.delivery.settings import ONE_ITEM_CALLS
from cio_spark.model import DeliveryPlan
from cio_spark.notebook.borrowed_client import BatchSender
from cio_spark.notebook.customerio_client import CustomerIOClient
from cio_spark.notebook.request import type_of
from cio_spark.planning.request_limits import RequestLimits, body_limit

# The API counts requests over 3 s, and timers wake a little early or late
WINDOW_MARGIN = 1.01
_EVENT_TYPES = frozenset({"track", "page", "screen", "alias"})


class Connection(NamedTuple):
    """Where a client's requests go, and with which key."""

    base_url: str
    api_key: ApiKey


def connection_of(client: BatchSender) -> Connection | None:
    """Address and key of our own client; None for any other, which then makes its requests itself.

    Lanes need connections of their own: the calls of one `CustomerIOClient` take turns.
    """
    if not isinstance(client, CustomerIOClient):
        return None
    exchanges = client._client
    return Connection(exchanges._base_url, exchanges._api_key)


def job_settings(
    config: BatchConfiguration,
    connection: Connection | None,
    *,
    job_id: str,
    data: Iterable[Any],
    records: int,
    max_records: int,
    lanes: int,
) -> DeliverySettings:
    """How a job's requests are delivered: as those of a sync, in one partition.

    Args:
        config: the job's.
        connection: address and key; None: a borrowed client sends.
        job_id: of the job.
        data: the requests.
        records: how many they are.
        max_records: records a request may carry, at least 1.
        lanes: requests in flight.
    """
    # As many workers may each send a batch of their own
    limits = RequestLimits(max_records, body_limit(config)).within_budget(config, config.parallel_workers)
    seconds_between_requests = WINDOW_MARGIN / config.rate_limit_rps
    plan = DeliveryPlan(
        records=records,
        batches=-(-records // limits.records),
        partitions=1,
        concurrent_tasks=1,
        lanes=lanes,
        seconds_between_requests=seconds_between_requests,
        max_records=limits.records,
        max_bytes=limits.bytes,
        eta_seconds=config.estimate_processing_time(records),
        limited_by="",
        parallel_workers=config.parallel_workers,
        rows_per_chunk=limits.rows_per_chunk,
    )
    sync = SyncConfig.model_validate(
        {
            "sync": {"name": "batch_job"},
            "source": {"query": "SELECT 1"},  # none is read: the records are at hand
            "payload": {"call": "track", "record_id": "position", "user_id": "userId", "event": "event"},
            "batch": config,
            # The client was asked about clear text when it was made
            "api": {"base_url": connection.base_url, "insecure": True} if connection else {},
        }
    )
    key = connection.api_key if connection else ApiKey("unused")
    settings = delivery_settings(sync, key, job_id, plan)
    calls = {_call_of(request) for request in data if isinstance(request, Mapping)}
    return replace(
        settings,
        compress=settings.compress and connection is not None,
        hold_person_after_failure=None in calls or bool(calls - {Call.TRACK}),
        one_item_per_request=bool(calls & ONE_ITEM_CALLS),
    )


def _call_of(request: Mapping[str, Any]) -> Call | None:
    """The call a request is: `TRACK` stands for every event, None for calls that overwrite state."""
    kind = str(type_of(request))
    if kind == "track":
        event = request.get("event")
        return (RESERVED_EVENTS.get(event) if isinstance(event, str) else None) or Call.TRACK
    return Call.TRACK if kind in _EVENT_TYPES else None
