"""Cuts a delivery into partitions, lanes and batches, and says how long it takes and why."""

from __future__ import annotations

from cio_spark.config import BatchConfiguration
from cio_spark.model import DeliveryPlan, Slots
from cio_spark.planning.rate_shares import Pacing, divide_rate
from cio_spark.planning.request_limits import (
    RequestLimits,
    body_limit,
    compression_of,
    describe_sizing,
    records_limit,
    requests_needed,
)

# A task costs 0.2 s of CPU, its file included (docs/decisions/0007-less-per-row.md)
BATCHES_PER_PARTITION = 200
MOST_PARTITIONS_PER_SLOT = 8
# Assumed seconds of a batch request to the real API, until a run has measured it
ASSUMED_REQUEST_SECONDS = 0.25
# 300-byte records that one core sends in a second (docs/performance.md)
RECORDS_PER_SECOND_PER_SLOT = 40_000


def plan_delivery(
    batch: BatchConfiguration,
    slots: Slots,
    *,
    records: int,
    payload_bytes: int,
    one_item_per_request: bool = False,
    share_of_rate: float = 1.0,
    strict_mode: bool = True,
) -> DeliveryPlan:
    """Plan one wave.

    Args:
        batch: the batch configuration.
        slots: task slots of the Spark application.
        records: number of records to send.
        payload_bytes: JSON bytes of all these records, message ids included.
        one_item_per_request: True for device events, because their `context` might apply to a whole batch
            (docs/delivery.md).
        share_of_rate: this sync's part of `rate_limit_rps`, from 0 to 1; other jobs with the same key have the rest.
        strict_mode: `api.strict_mode`.

    Returns:
        The plan; for 0 records, a plan without batches.
    """
    limits = RequestLimits(records_limit(batch, records, one_item_per_request=one_item_per_request), body_limit(batch))
    batches = requests_needed(records, payload_bytes, limits.records, limits.bytes)
    slot_count = max(1, slots.count)
    rate = batch.rate_limit_rps * share_of_rate
    if slots.fixed and slot_count <= batch.parallel_workers:
        pacing = divide_rate(rate, batch.parallel_workers, slot_count)
        # Fewer tasks than slots may run only where there are fewer partitions than slots.
        rounds = -(-batches // (BATCHES_PER_PARTITION * slot_count))
        many = min(max(rounds, 1), MOST_PARTITIONS_PER_SLOT) * slot_count
        partitions = many if pacing.tasks == slot_count else pacing.tasks
    else:
        pacing = divide_rate(rate, batch.parallel_workers, max(1, min(batches, slot_count)))
        partitions = pacing.tasks
    limits = limits.within_budget(batch, pacing.lanes)
    batches = requests_needed(records, payload_bytes, limits.records, limits.bytes)
    eta_seconds, limited_by = _expectation(batch, share_of_rate, pacing, min(slot_count, partitions), records, batches)
    return DeliveryPlan(
        records=records,
        batches=batches,
        partitions=max(1, partitions),
        concurrent_tasks=pacing.tasks,
        lanes=pacing.lanes,
        seconds_between_requests=pacing.seconds_between_requests,
        max_records=limits.records,
        max_bytes=limits.bytes,
        eta_seconds=eta_seconds,
        limited_by=limited_by,
        parallel_workers=batch.parallel_workers,
        compression=compression_of(batch, strict_mode=strict_mode),
        rows_per_chunk=limits.rows_per_chunk,
        sizing=describe_sizing(batch),
    )


def _expectation(
    batch: BatchConfiguration, share_of_rate: float, pacing: Pacing, running: int, records: int, batches: int
) -> tuple[float, str]:
    """Return the expected seconds of a delivery, and which of rate, workers and cores is the reason."""
    by_rate = batches / pacing.requests_per_second
    in_flight = max(1, min(batches, pacing.tasks * pacing.lanes))
    by_latency = batches * ASSUMED_REQUEST_SECONDS / in_flight
    share = "" if share_of_rate == 1.0 else f", of which api.share_of_rate = {share_of_rate:g}"
    workers = f"parallel_workers = {batch.parallel_workers}"
    if pacing.tasks * pacing.lanes < min(batches, batch.parallel_workers):
        # An additional lane in some partitions would exceed the limit as soon as these partitions run together
        workers += f", of which {pacing.tasks * pacing.lanes} are used: {pacing.tasks} task slots with {pacing.lanes} "
        workers += "request each" if pacing.lanes == 1 else "requests each"
    else:
        workers += " requests in flight"
    by_cores = records / (RECORDS_PER_SECOND_PER_SLOT * running)
    return max(
        (by_rate, f"rate_limit_rps = {batch.rate_limit_rps} requests/s{share}"),
        (
            by_latency,
            f"{workers}, at an assumed {ASSUMED_REQUEST_SECONDS:g} s a request",
        ),
        (by_cores, f"{running} task slots building and sending about {RECORDS_PER_SECOND_PER_SLOT:,} records/s each"),
    )
