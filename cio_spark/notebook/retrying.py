"""Lists the batches that wait for their next try, while they wait."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog

from cio_spark.config import BatchStatus, ProcessingPriority
from cio_spark.delivery.retry_watch import RetryWatch, WaitingBatch
from cio_spark.logs.unfailing import write_event
from cio_spark.notebook.metrics import BatchMetrics


class BatchNames:
    """Names a job's batches, numbered in the order in which they are first asked for; several threads may call it.

    Args:
        job_id: id of the job.
    """

    def __init__(self, job_id: str) -> None:
        self._job_id = job_id
        self._lock = threading.Lock()
        self._numbers: dict[str, int] = {}

    def name_of(self, delivery_id: str) -> str:
        """Return the name of a batch: `<job id>_batch_<number>`.

        Args:
            delivery_id: the delivery's id of the batch.
        """
        with self._lock:
            return f"{self._job_id}_batch_{self._numbers.setdefault(delivery_id, len(self._numbers))}"


class RetryingBatches:
    """Keeps a list of the batches between two tries, and logs each as `batch_retrying`; several threads may call it."""

    def __init__(self) -> None:
        self._logger = structlog.get_logger("cio_spark.notebook")
        self._lock = threading.Lock()
        self._waiting: dict[str, BatchMetrics] = {}

    def now(self) -> list[BatchMetrics]:
        """List the batches that wait at this moment."""
        with self._lock:
            return list(self._waiting.values())

    def watch_of(
        self,
        names_of: Callable[[WaitingBatch], tuple[str, str | None]],
        priority: ProcessingPriority = ProcessingPriority.NORMAL,
    ) -> RetryWatch:
        """Make the watch through which a delivery reports its waiting batches.

        Args:
            names_of: returns the name of a batch and of its worker (None if unknown).
            priority: priority of the job.
        """

        @contextmanager
        def watch(waiting: WaitingBatch) -> Iterator[None]:
            batch_id, worker_id = names_of(waiting)
            metrics = _metrics_of(waiting, batch_id, worker_id, priority)
            write_event(
                self._logger,
                "warning",
                "batch_retrying",
                batch_id=batch_id,
                worker_id=worker_id,
                total_records=waiting.records,
                retry=waiting.sending.tried + waiting.sending.attempts,
                error_code=next(iter(metrics.errors), None),
                wait_seconds=round(waiting.wait_seconds, 3),
            )
            with self._lock:
                self._waiting[waiting.batch_id] = metrics
            try:
                yield
            finally:
                with self._lock:
                    self._waiting.pop(waiting.batch_id, None)

        return watch


def _metrics_of(
    waiting: WaitingBatch, batch_id: str, worker_id: str | None, priority: ProcessingPriority
) -> BatchMetrics:
    sending = waiting.sending
    code = sending.verdict.code if sending.verdict is not None else None
    return BatchMetrics(
        batch_id=batch_id,
        worker_id=worker_id,
        total_records=waiting.records,
        status=BatchStatus.RETRYING,
        priority=priority,
        started_at=sending.started_at,
        retry_count=max(0, sending.tried + sending.attempts - 1),
        errors=[code] if code else [],
    )
