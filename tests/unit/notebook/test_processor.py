"""Tests that ParallelBatchProcessor really sends lists of requests, and counts every request.

It keeps the limits and the rate.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from cio_spark import (
    BatchConfiguration,
    BatchJob,
    BatchMetrics,
    BatchStatus,
    CustomerIOClient,
    ParallelBatchProcessor,
    ProcessingPriority,
    RateLimitError,
    create_intelligent_batches,
)
from cio_spark.clock import FakeClock
from cio_spark.standin import Fault, StandIn

BASE_TIME = datetime(2026, 1, 31, 12, tzinfo=timezone.utc)


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


@pytest.fixture
def client(api: StandIn) -> Iterator[CustomerIOClient]:
    with CustomerIOClient("standin-key", base_url=api.url, enable_logging=False) as made:
        yield made


def events(count: int, users: int = 1000) -> list[dict[str, Any]]:
    """Return the notebook's test events: no type, no message id, and a timestamp that is no JSON value."""
    return [
        {
            "userId": f"batch_user_{i % users}",
            "event": "Batch Test Event",
            "properties": {"batch_index": i, "generated_at": (BASE_TIME + timedelta(seconds=i)).isoformat()},
            "timestamp": BASE_TIME + timedelta(seconds=i),
        }
        for i in range(count)
    ]


def config_of(**fields: Any) -> BatchConfiguration:
    return BatchConfiguration(**{"rate_limit_rps": 1000, "timeout_seconds": 5, "retry_backoff_seconds": 0.1, **fields})


def job_of(count: int, **fields: Any) -> BatchJob:
    return BatchJob(
        job_name="Large Scale Event Processing",
        job_type="event tracking",
        configuration=config_of(**fields),
        total_records=count,
        priority=ProcessingPriority.HIGH,
    )


def run(client: Any, data: list[Any], clock: FakeClock | None = None, **fields: Any) -> BatchJob:
    job = job_of(len(data), **fields)
    with ParallelBatchProcessor(client, job.configuration, clock=clock) as processor:
        done = processor.process_job(job, data)
    assert done is job
    assert sum(batch.total_records for batch in job.batch_metrics) == len(data)
    assert all(batch.successful_records + batch.failed_records == batch.total_records for batch in job.batch_metrics)
    assert sum(batch.successful_records for batch in job.batch_metrics) == job.processed_records
    return job


def test_the_notebooks_job_arrives_whole_in_the_notebooks_batches(api: StandIn, client: CustomerIOClient) -> None:
    data = events(1500)
    fields: dict[str, Any] = {"max_batch_size": 100, "max_batch_bytes": 50 * 1024, "parallel_workers": 3}
    job = run(client, data, **fields)

    assert (job.status, job.processed_records, job.get_progress_percent()) == ("completed", 1500, 100.0)
    assert api.received.count() == 1500
    assert api.received.over_limit() == (0, 0)
    assert len(api.received.requests()) == len(create_intelligent_batches(data, job.configuration)) == 15
    aggregates = job.get_aggregate_metrics()
    assert aggregates["total_batches"] == aggregates["successful_batches"] == 15
    assert (aggregates["failed_batches"], aggregates["overall_error_rate_percent"]) == (0, 0.0)
    assert aggregates["average_throughput_rps"] > 0
    first = job.batch_metrics[0]
    assert {batch.worker_id for batch in job.batch_metrics} == {"worker_0", "worker_1", "worker_2"}
    assert first.batch_id == f"{job.job_id}_batch_0"
    assert first.priority == ProcessingPriority.HIGH
    assert first.memory_usage_mb is not None
    assert job.started_at is not None
    assert job.completed_at is not None
    assert job.completed_at >= job.started_at


def test_events_become_calls_with_type_time_and_message_id(api: StandIn, client: CustomerIOClient) -> None:
    run(client, [*events(1), {"userId": "p", "traits": {"plan": "größer"}}])
    (event,) = api.received.by_person("batch_user_0")
    assert (event["type"], event["timestamp"]) == ("track", "2026-01-31T12:00:00.000Z")
    assert len(event["message_id"]) == 26
    (person,) = api.received.by_person("p")
    assert (person["type"], person["payload"]["traits"]) == ("identify", {"plan": "größer"})


def test_sending_a_job_again_repeats_its_message_ids_and_forgets_its_old_counts(
    api: StandIn, client: CustomerIOClient
) -> None:
    job = job_of(20)
    with ParallelBatchProcessor(client, job.configuration) as processor:
        for _ in range(2):
            processor.process_job(job, events(20))
    assert (job.processed_records, api.received.count(), len(set(api.received.message_ids()))) == (20, 40, 20)


def test_no_more_requests_are_in_flight_than_workers_and_all_workers_are_used(
    api: StandIn, client: CustomerIOClient
) -> None:
    api.script(Fault(latency_seconds=0.05))
    run(client, events(40), max_batch_size=2, parallel_workers=3)
    assert api.traffic.max_in_flight == 3


def test_a_person_s_requests_keep_their_order_and_never_overlap(api: StandIn, client: CustomerIOClient) -> None:
    api.script(Fault(latency_seconds=0.005))
    run(client, events(120, users=7), max_batch_size=5, parallel_workers=4)
    assert api.received.count() == 120
    assert not api.traffic.overlapping_persons
    for user in range(7):
        times = [message["timestamp"] for message in api.received.by_person(f"batch_user_{user}")]
        assert times == sorted(times)


def test_the_rate_limit_holds_for_all_workers_together(api: StandIn, client: CustomerIOClient) -> None:
    clock = FakeClock()
    run(client, events(40), clock, max_batch_size=1, parallel_workers=4, rate_limit_rps=10)
    assert len(api.received.requests()) == 40
    assert clock.seconds >= 4.0
    assert clock.seconds <= 4.0 / 0.95


def test_batches_keep_the_byte_limit(api: StandIn, client: CustomerIOClient) -> None:
    run(client, events(300), max_batch_bytes=2048)
    assert api.received.count() == 300
    assert max(request["bytes"] for request in api.received.requests()) <= 2048


def test_zero_records_are_a_completed_job_of_zeros(api: StandIn, client: CustomerIOClient) -> None:
    job = run(client, [])
    assert (job.status, job.get_progress_percent(), job.batch_metrics) == ("completed", 100.0, [])
    assert set(job.get_aggregate_metrics().values()) == {0}
    assert api.received.requests() == []


def test_transient_failures_are_retried_and_counted(api: StandIn, client: CustomerIOClient) -> None:
    api.script(Fault(status=503, times=2))
    job = run(client, events(10), FakeClock(), parallel_workers=1, retry_attempts=2)
    assert (job.status, job.processed_records, job.batch_metrics[0].retry_count) == ("completed", 10, 2)


@pytest.mark.parametrize(("handling", "requests"), [("retry_with_backoff", 3), ("continue_on_error", 1)])
def test_failures_that_stay_are_failed_records(
    api: StandIn, client: CustomerIOClient, handling: str, requests: int
) -> None:
    api.script(Fault(status=503))
    job = run(client, events(10), FakeClock(), retry_attempts=2, error_handling=handling)
    assert (job.status, job.processed_records) == ("failed", 0)
    assert len(api.received.requests()) == requests
    (batch,) = job.batch_metrics
    assert (batch.status, batch.failed_records, batch.error_rate_percent) == ("failed", 10, 100.0)
    assert batch.errors == ["http_503"]
    assert job.get_aggregate_metrics()["average_throughput_rps"] == 0.0


@pytest.mark.parametrize(("threshold", "status"), [(50.0, "completed"), (49.0, "failed")])
def test_partial_failures_are_counted_against_the_threshold(
    api: StandIn, client: CustomerIOClient, threshold: float, status: str
) -> None:
    api.script(Fault(status=503, times=1))
    job = run(
        client,
        events(20),
        max_batch_size=10,
        parallel_workers=1,
        retry_attempts=0,
        error_threshold_percent=threshold,
        strategy="size_based",
    )
    assert (job.status, job.processed_records) == (status, 10)
    aggregates = job.get_aggregate_metrics()
    assert (aggregates["successful_batches"], aggregates["failed_batches"]) == (1, 1)
    assert aggregates["overall_error_rate_percent"] == 50.0


def test_one_bad_request_does_not_take_its_batch_with_it(api: StandIn, client: CustomerIOClient) -> None:
    api.script(Fault(poison=frozenset({"batch_user_13"})))
    job = run(client, events(20), max_batch_size=20, parallel_workers=1)
    assert (job.status, job.processed_records, api.received.count()) == ("completed", 19, 19)
    (batch,) = job.batch_metrics
    assert (batch.status, batch.failed_records, batch.error_rate_percent) == ("completed", 1, 5.0)
    assert len(batch.errors) == 1


def test_the_first_tries_of_a_divided_batch_s_parts_are_no_retries(api: StandIn, client: CustomerIOClient) -> None:
    api.script(Fault(poison=frozenset({"batch_user_13"})))
    (batch,) = run(client, events(20), max_batch_size=20, parallel_workers=1, enable_compression=False).batch_metrics
    assert (batch.retry_count, batch.attempts, batch.requests) == (0, 9, 9)


def test_a_batch_of_several_requests_counts_the_tries_and_retries_of_all(
    api: StandIn, client: CustomerIOClient
) -> None:
    api.script(Fault(status=503, times=2))
    config = config_of(max_batch_size=10, enable_compression=False, strategy="size_based")
    with ParallelBatchProcessor(client, config, clock=FakeClock()) as processor:
        batch = processor.process_batch_worker("w", events(30), "b")
    assert (batch.retry_count, batch.attempts, batch.requests) == (2, 5, 5)
    api.script(Fault(poison=frozenset({"batch_user_3", "batch_user_23"})))
    with ParallelBatchProcessor(client, config, clock=FakeClock()) as processor:
        divided = processor.process_batch_worker("w", events(30), "b")
    assert (divided.retry_count, divided.failed_records) == (0, 2)
    assert divided.attempts == divided.requests == len(api.received.requests()) - 5


def test_fail_fast_sends_nothing_after_the_first_failure(api: StandIn, client: CustomerIOClient) -> None:
    api.script(Fault(status=503))
    job = run(client, events(50), max_batch_size=10, parallel_workers=1, error_handling="fail_fast")
    assert len(api.received.requests()) == 1
    rest = job.batch_metrics[-1]
    assert (rest.batch_id, rest.status, rest.failed_records) == (f"{job.job_id}_not_attempted", "cancelled", 40)
    assert job.status == BatchStatus.FAILED


def test_a_refused_key_stops_the_job_and_is_never_told(api: StandIn) -> None:
    with CustomerIOClient("wrong-key", base_url=api.url, enable_logging=False) as client:
        job = run(client, events(50), max_batch_size=10, parallel_workers=1)
        processor = ParallelBatchProcessor(client, job.configuration)
    assert len(api.received.requests()) == 1
    assert job.status == "failed"
    assert "wrong-key" not in job.model_dump_json() + repr(vars(processor))


def test_requests_that_cannot_be_sent_are_counted_and_do_not_harm_the_others(
    api: StandIn, client: CustomerIOClient
) -> None:
    bad: list[Any] = [
        {"userId": "p", "event": "e", "properties": {"x": float("nan")}},
        {"userId": "p", "event": "e", "properties": {"x": "y" * 32_000}},
        {"userId": "p"},
        "no dictionary",
    ]
    job = run(client, [*events(6), *bad])
    assert (job.processed_records, api.received.count()) == (6, 6)
    refused = job.batch_metrics[-1]
    assert (refused.batch_id, refused.status, refused.failed_records) == (f"{job.job_id}_invalid", "failed", 4)
    assert [reason.split()[1] for reason in refused.errors] == ["6", "7", "8", "9"]


def test_a_flood_of_bad_requests_is_counted_but_not_told_one_by_one(client: CustomerIOClient) -> None:
    (refused,) = run(client, [{"userId": "p"}] * 5000).batch_metrics
    assert (refused.failed_records, len(refused.errors)) == (5000, 20)


def test_the_total_is_what_was_given(client: CustomerIOClient) -> None:
    job = job_of(3)
    with ParallelBatchProcessor(client, job.configuration) as processor:
        processor.process_job(job, events(5))
    assert (job.total_records, job.get_progress_percent()) == (5, 100.0)


def test_people_wait_for_the_next_job_after_a_failure(api: StandIn, client: CustomerIOClient) -> None:
    api.script(Fault(status=503, times=1))
    data = [{"userId": "p", "traits": {"version": version}} for version in range(3)]
    job = run(client, data, max_batch_size=1, parallel_workers=1, retry_attempts=0)
    assert (len(api.received.requests()), job.processed_records) == (1, 0)


def test_one_device_goes_in_a_request_of_its_own(api: StandIn, client: CustomerIOClient) -> None:
    data = [
        {
            "userId": f"p{number}",
            "event": "Device Created or Updated",
            "context": {"device": {"token": f"t{number}", "type": "ios"}},
        }
        for number in range(3)
    ]
    run(client, data)
    assert len(api.received.requests()) == 3


def test_one_batch_is_sent_under_the_names_it_is_given(api: StandIn, client: CustomerIOClient) -> None:
    with ParallelBatchProcessor(client, config_of()) as processor:
        metrics = processor.process_batch_worker("worker_9", events(10), "batch_9")
        api.script(Fault(status=400))
        failed = processor.process_batch_worker("worker_9", events(10), "batch_10")
        reported: list[BatchMetrics] = [processor.metrics_queue.get_nowait() for _ in range(2)]
        failure = processor.error_queue.get_nowait()
    assert (metrics.worker_id, metrics.batch_id, metrics.status) == ("worker_9", "batch_9", "completed")
    assert (metrics.total_records, metrics.successful_records, api.received.count()) == (10, 10, 10)
    assert metrics.throughput_rps > 0
    assert (failed.status, failed.successful_records, failed.failed_records) == ("failed", 0, 10)
    assert reported == [metrics, failed]
    assert (failure["batch_id"], failure["failed_records"]) == ("batch_10", 10)


def test_a_batch_tells_what_its_requests_took(api: StandIn, client: CustomerIOClient) -> None:
    api.script(Fault(status=503, times=1))
    job = run(client, events(100), max_batch_size=50, parallel_workers=1, strategy="size_based")
    assert sorted(batch.requests or 0 for batch in job.batch_metrics) == [1, 2]
    for batch in job.batch_metrics:
        assert batch.bytes is not None
        assert batch.bytes > 50 * 100
        assert batch.request_seconds is not None
        assert batch.throttled_seconds is not None
        assert batch.request_seconds + batch.throttled_seconds <= batch.processing_time_seconds + 0.01
    with ParallelBatchProcessor(client, config_of(max_batch_size=30)) as processor:
        whole = processor.process_batch_worker("w", events(100), "b")
    assert whole.requests == 4
    assert (whole.bytes or 0) > 100 * 100


def test_an_api_that_was_given_up_is_tried_anew_by_the_next_job_and_the_next_batch(
    api: StandIn, client: CustomerIOClient
) -> None:
    clock, job = FakeClock(), job_of(60, max_batch_size=1, parallel_workers=1, retry_attempts=0)
    config = job.configuration
    api.script(Fault(status=503))
    with ParallelBatchProcessor(client, config, clock=clock) as processor:
        processor.process_job(job, events(60))
        assert job.batch_metrics[-1].status == "cancelled"
        down = processor.process_batch_worker("w", events(60), "b")
        assert (down.status, down.failed_records) == ("cancelled", 60)
        api.clear_faults()
        assert processor.process_batch_worker("w", events(60), "b").status == "completed"
        assert processor.process_job(job, events(60)).status == "completed"


def test_workers_of_the_callers_own_share_the_rate(api: StandIn, client: CustomerIOClient) -> None:
    clock = FakeClock()
    with ParallelBatchProcessor(client, config_of(rate_limit_rps=10), clock=clock) as processor:
        threads = [
            threading.Thread(target=processor.process_batch_worker, args=(f"w{number}", events(1), f"b{number}"))
            for number in range(10)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert api.received.count() == 10
    assert clock.seconds >= 1.0


class OwnClient:
    """Imitates a client as a notebook's test would fake it."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.batches: list[list[dict[str, Any]]] = []

    def batch(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
        self.batches.append(requests)
        if self.errors:
            raise self.errors.pop(0)
        return {"success": True, "processed": len(requests)}


def test_any_client_with_a_batch_method_will_do() -> None:
    client = OwnClient()
    job = run(client, events(10), max_batch_size=5, parallel_workers=1)
    assert (job.status, [len(batch) for batch in client.batches]) == ("completed", [5, 5])
    assert client.batches[0][0]["userId"] == "batch_user_0"


@pytest.mark.parametrize(
    ("error", "tries"), [(RateLimitError("slow down", 429), 2), (ConnectionError("gone"), 2), (ValueError("p@x"), 1)]
)
def test_what_a_borrowed_client_raises_decides_about_a_retry(error: Exception, tries: int) -> None:
    client = OwnClient(error)
    job = run(client, events(10), FakeClock())
    assert len(client.batches) == tries
    assert job.processed_records == (10 if tries == 2 else 0)
    assert "p@x" not in job.model_dump_json()


def test_a_shut_down_processor_accounts_for_what_it_did_not_send() -> None:
    job = job_of(50, max_batch_size=1, parallel_workers=1)

    class StoppingClient(OwnClient):
        def batch(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
            if len(self.batches) == 10:
                processor.shutdown_event.set()
            return super().batch(requests)

    client = StoppingClient()
    with ParallelBatchProcessor(client, job.configuration) as processor:
        processor.process_job(job, events(50))
    assert job.status == "cancelled"
    assert 10 < len(client.batches) == job.processed_records < 50
    assert job.batch_metrics[-1].failed_records == 50 - job.processed_records
    assert job.batch_metrics[-1].errors == ["not sent: the processor was shut down"]
