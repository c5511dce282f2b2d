"""Tests how a processor can be watched.

The subjects are its log, the batches that wait for their next try, and which of several jobs goes first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from structlog.testing import capture_logs

from cio_spark import (
    BatchConfiguration,
    BatchJob,
    BatchMetrics,
    CustomerIOClient,
    ParallelBatchProcessor,
    RateLimitError,
)
from cio_spark.clock import FakeClock
from cio_spark.standin import Fault, StandIn


class Client:
    """Raises the given errors, one for each call, then accepts; notes whose requests came, and which batches waited."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.users: list[str] = []
        self.processor: ParallelBatchProcessor | None = None
        self.waiting_while_sent: list[BatchMetrics] = []

    def batch(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
        self.users += [request["userId"] for request in requests]
        if self.processor is not None:
            self.waiting_while_sent += self.processor.retrying_batches()
        if self.errors:
            raise self.errors.pop(0)
        return {}


class WatchingClock(FakeClock):
    """Notes, whenever somebody sleeps, which batches wait for their next try."""

    def __init__(self) -> None:
        super().__init__()
        self.processor: ParallelBatchProcessor | None = None
        self.seen: list[BatchMetrics] = []

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        if self.processor is not None:
            self.seen += self.processor.retrying_batches()


@pytest.fixture
def api() -> Iterator[StandIn]:
    with StandIn() as running:
        yield running


def config_of(**fields: Any) -> BatchConfiguration:
    # These tests count the tries of one batch; other tests check how answers change the size of the next batch
    usual = {"rate_limit_rps": 1000, "parallel_workers": 1, "max_batch_size": 5, "strategy": "size_based"}
    return BatchConfiguration(**{**usual, **fields})


def job_of(name: str = "orders", priority: str = "normal", **fields: Any) -> BatchJob:
    return BatchJob.model_validate(
        {
            "job_id": f"id-of-{name}",
            "job_name": name,
            "job_type": "events",
            "configuration": config_of(**fields),
            "total_records": 0,
            "priority": priority,
        }
    )


def events(count: int, user: str = "someone@example.com") -> list[dict[str, Any]]:
    return [{"userId": user, "event": "Secret Event", "properties": {"n": number}} for number in range(count)]


def logged(logs: Sequence[Any], event: str) -> list[dict[str, Any]]:
    return [dict(entry) for entry in logs if entry["event"] == event]


def run(client: Client, job: BatchJob, data: list[Any], clock: FakeClock | None = None) -> list[Any]:
    with (
        ParallelBatchProcessor(client, job.configuration, clock=clock or FakeClock()) as processor,
        capture_logs() as logs,
    ):
        processor.process_job(job, data)
    return logs


def test_a_job_is_logged_from_its_start_over_each_batch_to_its_end() -> None:
    logs = run(Client(), job_of(), events(12))

    assert [entry["event"] for entry in logs] == ["job_started", *["batch_finished"] * 3, "job_finished"]
    assert logs[0] == {
        "event": "job_started",
        "log_level": "info",
        "job_id": "id-of-orders",
        "job_name": "orders",
        "job_type": "events",
        "priority": "normal",
        "total_records": 12,
        "expected_batches": 3,
        "workers": 1,
    }
    batches = logged(logs, "batch_finished")
    assert [entry["batch_id"] for entry in batches] == [f"id-of-orders_batch_{number}" for number in range(3)]
    assert [entry["progress_percent"] for entry in batches] == [41.7, 83.3, 100.0]
    assert {(entry["worker_id"], entry["status"], entry["job_id"]) for entry in batches} == {
        ("worker_0", "completed", "id-of-orders")
    }
    assert [(entry["total_records"], entry["successful_records"], entry["failed_records"]) for entry in batches] == [
        (5, 5, 0),
        (5, 5, 0),
        (2, 2, 0),
    ]
    figures = {"retry_count", "processing_time_seconds", "throughput_rps", "error_rate_percent"}
    assert all(figures <= set(entry) for entry in batches)
    end = logs[-1]
    assert (end["status"], end["total_batches"], end["processed_records"]) == ("completed", 3, 12)
    assert (end["failed_records"], end["error_rate_percent"], end["log_level"]) == (0, 0.0, "info")
    assert {"seconds", "throughput_rps"} <= set(end)


def test_a_batch_is_in_the_log_and_in_the_job_when_it_is_finished_not_when_the_job_is() -> None:
    job = job_of(max_batch_size=1)
    known: list[int] = []

    class Looking(Client):
        def batch(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
            known.append(len(job.batch_metrics))
            return super().batch(requests)

    run(Looking(), job, events(40))
    assert known[0] == 0
    assert 0 < known[-1] < 40
    assert len(job.batch_metrics) == 40


def test_failures_are_logged_as_counts_by_code_without_what_was_sent_or_said() -> None:
    said = RateLimitError("the API said someone@example.com", 429)
    bad: list[Any] = [{"userId": "someone@example.com"}, "someone@example.com"]
    logs = run(Client(said), job_of(retry_attempts=0), [*events(5), *events(2, "other@example.com"), *bad])

    failed, sent, unfit = logged(logs, "batch_finished")
    assert (failed["error_codes"], failed["status"], failed["log_level"]) == ({"http_429": 5}, "failed", "error")
    assert (sent["log_level"], "error_codes" in sent) == ("info", False)
    assert (unfit["batch_id"], unfit["error_codes"]) == ("id-of-orders_invalid", {"no_type": 1, "not_json": 1})
    end = logs[-1]
    assert (end["status"], end["log_level"], end["failed_records"]) == ("failed", "error", 7)
    assert end["error_rate_percent"] == pytest.approx(77.778)
    assert not [word for word in ("someone", "other", "Secret", "said") if word in str(logs)]


def test_a_job_that_was_shut_down_logs_that_it_was_cancelled() -> None:
    job = job_of()
    with (
        ParallelBatchProcessor(Client(), job.configuration, clock=FakeClock()) as processor,
        capture_logs() as logs,
    ):
        processor.shutdown_event.set()
        processor.process_job(job, events(3))
    (unsent,) = logged(logs, "batch_finished")
    assert (unsent["status"], unsent["error_codes"]) == ("cancelled", {"shut_down": 3})
    assert (logs[-1]["status"], logs[-1]["log_level"]) == ("cancelled", "warning")


def test_one_batch_is_logged_under_the_names_it_is_given() -> None:
    with ParallelBatchProcessor(Client(), config_of(), clock=FakeClock()) as processor, capture_logs() as logs:
        processor.process_batch_worker("worker_9", events(7), "batch_9")
    (entry,) = logs
    assert (entry["event"], entry["worker_id"], entry["batch_id"]) == ("batch_finished", "worker_9", "batch_9")
    assert (entry["total_records"], entry["status"]) == (7, "completed")


def test_a_batch_between_two_tries_is_retrying_and_no_longer_once_it_is_sent_again() -> None:
    clock, client = WatchingClock(), Client(RateLimitError("slow down", 429), RateLimitError("slow down", 429))
    job = job_of(retry_attempts=2)
    with ParallelBatchProcessor(client, job.configuration, clock=clock) as processor, capture_logs() as logs:
        clock.processor = client.processor = processor
        processor.process_job(job, events(5))
        assert processor.retrying_batches() == []

    assert {batch.batch_id for batch in clock.seen} == {"id-of-orders_batch_0"}
    assert {(batch.status, batch.worker_id, batch.total_records) for batch in clock.seen} == {
        ("retrying", "worker_0", 5)
    }
    assert {batch.retry_count for batch in clock.seen} == {0, 1}
    assert {tuple(batch.errors) for batch in clock.seen} == {("http_429",)}
    assert client.waiting_while_sent == []
    assert [batch.batch_id for batch in job.batch_metrics] == ["id-of-orders_batch_0"]
    assert (job.batch_metrics[0].status, job.batch_metrics[0].retry_count) == ("completed", 2)
    retries = logged(logs, "batch_retrying")
    assert [(entry["batch_id"], entry["retry"], entry["error_code"]) for entry in retries] == [
        ("id-of-orders_batch_0", 1, "http_429"),
        ("id-of-orders_batch_0", 2, "http_429"),
    ]
    assert all(entry["wait_seconds"] >= 3 and entry["log_level"] == "warning" for entry in retries)


def test_a_batch_of_the_callers_own_is_retrying_under_its_own_names() -> None:
    clock, client = WatchingClock(), Client(RateLimitError("slow down", 429))
    with ParallelBatchProcessor(client, config_of(), clock=clock) as processor:
        clock.processor = processor
        processor.process_batch_worker("worker_9", events(5), "batch_9")
    assert {(batch.batch_id, batch.worker_id, batch.status) for batch in clock.seen} == {
        ("batch_9", "worker_9", "retrying")
    }


def test_batches_keep_their_names_when_one_of_them_is_retried(api: StandIn) -> None:
    api.script(Fault(status=503, times=3))
    job = job_of(max_batch_size=2, parallel_workers=3)
    with CustomerIOClient("standin-key", base_url=api.url, enable_logging=False) as client:
        data = [{"userId": f"p{number}", "event": "e"} for number in range(40)]
        with ParallelBatchProcessor(client, job.configuration, clock=FakeClock()) as processor:
            processor.process_job(job, data)
    assert {batch.batch_id for batch in job.batch_metrics} == {f"id-of-orders_batch_{n}" for n in range(20)}
    assert len(job.batch_metrics) == 20
    assert job.processed_records == 40


def test_of_several_jobs_the_critical_one_goes_first_and_equals_keep_their_order() -> None:
    names = [("a", "low"), ("b", "normal"), ("c", "critical"), ("d", "high"), ("e", "normal")]
    jobs = [(job_of(name, priority), events(2, name)) for name, priority in names]
    client = Client()
    with ParallelBatchProcessor(client, config_of(), clock=FakeClock()) as processor:
        done = processor.process_jobs(jobs)

    assert client.users == ["c", "c", "d", "d", "b", "b", "e", "e", "a", "a"]
    assert [job.job_name for job in done] == ["c", "d", "b", "e", "a"]
    assert {job.status for job in done} == {"completed"}
    assert {(job.priority, batch.priority) for job in done for batch in job.batch_metrics} == {
        (priority, priority) for priority in ("low", "normal", "high", "critical")
    }


def test_jobs_after_a_shutdown_are_cancelled_and_none_is_forgotten() -> None:
    class Stopping(Client):
        def batch(self, requests: list[dict[str, Any]]) -> dict[str, Any]:
            processor.shutdown_event.set()
            return super().batch(requests)

    client = Stopping()
    with ParallelBatchProcessor(client, config_of(), clock=FakeClock()) as processor:
        jobs = processor.process_jobs([(job_of("a"), events(2, "a")), (job_of("b", "high"), events(2, "b"))])
    assert client.users == ["b", "b"]
    assert [(job.job_name, job.status) for job in jobs] == [("b", "completed"), ("a", "cancelled")]
    assert jobs[1].batch_metrics[0].failed_records == 2
