"""Logs what happened to each request of a `CustomerIOClient`: counts and codes, never what was sent or answered."""

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
    """Writes one event a request; for one thread at a time.

    Args:
        enabled: False: nothing is logged.
    """

    def __init__(self, enabled: bool) -> None:
        self._logger = structlog.get_logger("cio_spark.notebook.customerio_client") if enabled else None
        self._records = 0

    def begin(self, batch: Batch) -> None:
        """Note the batch that is sent next."""
        self._records = batch.size

    def between_tries(self, sending: Sending, wait_seconds: float) -> AbstractContextManager[object]:
        """Log a request that failed transiently and goes again after a wait."""
        if self._logger is not None:
            facts = self._facts(sending)
            write_event(
                self._logger, "warning", "customerio_batch_retried", **facts, wait_seconds=round(wait_seconds, 3)
            )
        return nullcontext()

    def end(self, sending: Sending, not_attempted: int) -> None:
        """Log what the last request of a batch came to.

        Args:
            sending: of the batch.
            not_attempted: records of later batches, which are not sent when this one was not accepted.
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
        """Log that a call could not be sent, so that none of its list was."""
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
