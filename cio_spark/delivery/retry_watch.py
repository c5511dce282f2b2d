"""Lets other code in the process of the lanes follow the batches that wait for their next try."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeAlias

from cio_spark.delivery.sending import Sending


class WaitingBatch(NamedTuple):
    """Describes a root batch of which a request failed transiently and is sent again after a wait.

    Attributes:
        run_id: run id of the delivery's settings.
        batch_id: id that the root batch will have in the outcomes.
        lane: number of the lane that sends it.
        records: number of records in the root batch.
        sending: the sending of the request, with its tries so far.
        wait_seconds: the longest wait until the next try.
    """

    run_id: str
    batch_id: str
    lane: int
    records: int
    sending: Sending
    wait_seconds: float


RetryWatch: TypeAlias = Callable[[WaitingBatch], AbstractContextManager[object]]
"""Type of a function that opens a context for as long as the batch waits; the lanes' threads call it."""
