"""Logs the outcome of each request of a `CustomerIOClient`: counts and codes, never what was sent or answered."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import structlog

from cio_spark.delivery.batching import Batch
from cio_spark.delivery.classification import Outcome
from cio_spark.delivery.sending import Sending
from cio_spark.logs.unfailing import write_event

_EVENT_OF = {
    Outcome.ACCEPTED: "customerio_batch_accepted",
    Outcome.REFUSED: "customerio_batch_refused",
    Outcome.STOP: "customerio_batch_refused",
    Outcome.TRANSIENT: "customerio_batch_failed",
    Outcome.TERMINAL: "customerio_batch_failed",
}


class RequestLog:
    """Writes one event for each request; only one thread may use it at a time.

    Args:
        enabled: whether anything is logged.
    """

    def __init__(self, enabled: bool) -> None:
        self._logger = structlog.get_logger("cio_spark.notebook.customerio_client") if enabled else None
        self._records = 0

    def begin(self, batch: Batch) -> None:
        """Remember the size of the batch that is sent next."""
        self._records = batch.size

    def between_tries(self, sending: Sending, wait_seconds: float) -> AbstractContextManager[object]:
        """Log that a request failed transiently and is sent again after a wait."""
        if self._logger is not None:
            facts = self._facts(sending)
            write_event(
                self._logger, "warning", "customerio_batch_retried", **facts, wait_seconds=round(wait_seconds, 3)
            )
        return nullcontext()

    def end(self, sending: Sending, not_attempted: int) -> None:
        """Log the outcome of the last request of a batch.

        Args:
            sending: how the batch was sent.
            not_attempted: number of records in later batches, which are not sent if this batch was not accepted.
        """
        if self._logger is None:
            return
        verdict = sending.verdict
        if verdict is not None and verdict.accepted:
            write_event(self._logger, "info", _EVENT_OF[verdict.outcome], **self._facts(sending))
            return
        event = "customerio_batch_failed" if verdict is None else _EVENT_OF[verdict.outcome]
        write_event(self._logger, "error", event, **self._facts(sending), not_attempted=not_attempted)

    def refuse(self, records: int) -> None:
        """Log that one call could not be sent, so that no call of its list was sent.

        Args:
            records: number of calls in the list.
        """
        if self._logger is not None:
            write_event(
                self._logger,
                "error",
                "customerio_batch_refused",
                records=0,
                error_code="invalid",
                attempt=0,
                not_attempted=records,
            )

    def _facts(self, sending: Sending) -> dict[str, Any]:
        verdict = sending.verdict
        facts: dict[str, Any] = {"records": self._records, "bytes": sending.body_bytes, "attempt": sending.attempts}
        if verdict is None:
            return facts
        seconds = round(verdict.answer.elapsed_seconds, 3)
        facts |= {"http_status": verdict.answer.status, "request_seconds": seconds}
        return facts if verdict.accepted else facts | {"error_code": verdict.code}
