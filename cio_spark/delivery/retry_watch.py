"""Tells whoever shares a process with the lanes of each batch that waits for its next try."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import NamedTuple, TypeAlias

from cio_spark.delivery.sending import Sending


class WaitingBatch(NamedTuple):
    """A root batch of which a request failed transiently, and goes again after a wait.

    Attributes:
        run_id: of the delivery's settings.
        batch_id: that the root batch will have in the outcomes.
        lane: number of the lane that sends it.
        records: records in the root batch.
        sending: of the request: tries so far, and the verdict on the last one.
        wait_seconds: the longest wait until the next try.
    """

    run_id: str
    batch_id: str
    lane: int
    records: int
    sending: Sending
    wait_seconds: float


RetryWatch: TypeAlias = Callable[[WaitingBatch], AbstractContextManager[object]]
"""Opens a context that is held while the batch waits; called by the lanes' threads."""
