"""Lets the delivery send through a client that the user brings: any object with a method `batch(requests)`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, Protocol

from cio_spark.clock import Clock
from cio_spark.delivery.exchange import Answer, Failure
from cio_spark.errors import CustomerIOError
from cio_spark.notebook.error_kinds import ErrorKind, kind_of


class BatchSender(Protocol):
    """Describes a client like the notebook's: its `batch` raises an exception when a batch was not accepted."""

    def batch(self, requests: list[dict[str, Any]], /) -> Any:
        """Send requests; raise an exception if they are not accepted."""
        ...


_STATUSES: Final[Mapping[ErrorKind, int]] = {
    ErrorKind.RATE_LIMIT: 429,
    ErrorKind.SERVER: 503,
    ErrorKind.VALIDATION: 400,
    ErrorKind.TOO_LARGE: 413,
    ErrorKind.AUTHENTICATION: 401,
}


class UserClientAdapter:
    """Wraps the user's client so that a lane can send through it; exceptions of the client become answers.

    Args:
        client: the user's client; several lanes call it at the same time. The delivery's deadline and compression do
            not apply to it.
        clock: measures the duration of each exchange.
    """

    def __init__(self, client: BatchSender, clock: Clock) -> None:
        self._client = client
        self._clock = clock

    def post_batch(
        self,
        body: bytes,
        deadline_seconds: float,  # noqa: ARG002  the lane's signature
        *,
        compress: bool = False,  # noqa: ARG002  the lane's signature
        retry_count: int = 0,  # noqa: ARG002  the lane's signature
    ) -> Answer:
        """Send one batch through the user's client, and return the outcome as an answer."""
        began = self._clock.monotonic()
        status: int | None = 200
        failure, reason = None, ""
        try:
            self._client.batch(json.loads(body)["batch"])
        except Exception as error:  # whatever the user's client raises is the outcome of the batch's records
            status, failure = _outcome_of(error)
            # The messages of other libraries' errors may quote a payload
            reason = str(error) if isinstance(error, CustomerIOError) else type(error).__name__
        return Answer(
            status=status,
            reason=reason,
            failure=failure,
            elapsed_seconds=self._clock.monotonic() - began,
        )

    def abort(self) -> None:
        """Do nothing: only the user's client could end its own exchange."""

    def close(self) -> None:
        """Do nothing: the user closes the client."""


def _outcome_of(error: Exception) -> tuple[int | None, Failure | None]:
    status = error.status_code if isinstance(error, CustomerIOError) else None
    kind = kind_of(error)
    if status is None and kind is ErrorKind.NETWORK:
        return None, Failure.CONNECTION
    status = status or _STATUSES.get(kind)
    return status, None if status is not None else Failure.REQUEST
