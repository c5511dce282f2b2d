"""Tells an API that refuses everything from one that refuses bad records."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

from cio_spark.delivery.outcome import FAILED, NOT_ATTEMPTED, OutcomeGroup
from cio_spark.delivery.stop import StopCode

REFUSED_BATCHES: Final = 3
"""So many root batches must have been refused throughout."""

REFUSED_RECORDS: Final = 20
"""And so many records refused alone: with tiny batches, three are no evidence against the API."""


class Refusals:
    """What a process has seen of refusals in a run; shared by its lanes.

    A root batch is refused throughout when it was divided down to at least one record that was refused alone, and
    nothing but refusals came back for it. When the first `REFUSED_BATCHES` are, with `REFUSED_RECORDS` records refused
    alone among them, and nothing was ever accepted, then it is not the records: the mapping, the call or the region is
    wrong. One accepted record clears the suspicion for good.

    To find that out cheaply: up to then each batch may be divided as usual, so that a small run of truly bad records
    ends with each of them rejected; but the batch that would complete the evidence is divided only down to its first
    single record (`nearly_everything`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted = False
        self._batches = 0
        self._records = 0
        self._last_reason = ""

    def accept(self) -> None:
        """The API has accepted something."""
        self._accepted = True

    def refuse_batch(self, records: int, reason: str) -> None:
        """A root batch was refused throughout.

        Args:
            records: those that were refused alone.
            reason: the last answer, in words of ours.
        """
        with self._lock:
            self._batches += 1
            self._records += records
            self._last_reason = reason

    @property
    def refuted(self) -> bool:
        """Whether something was accepted."""
        return self._accepted

    @property
    def everything(self) -> bool:
        """Whether the API refuses everything."""
        return self._evident(self._batches, self._records)

    @property
    def nearly_everything(self) -> bool:
        """Whether one more batch with one refused record would show it."""
        return self._evident(self._batches + 1, self._records + 1)

    @property
    def cause(self) -> str:
        """Why to stop when everything is refused: a sentence for people."""
        return (
            f"the API refuses everything that was sent ({self._last_reason}): check payload.call, the payload's "
            "mapping and api.region; nothing was accepted"
        )

    def _evident(self, batches: int, records: int) -> bool:
        return not self._accepted and batches >= REFUSED_BATCHES and records >= REFUSED_RECORDS


class RefusedBatch(NamedTuple):
    """Groups of a root batch that was refused throughout before anything was accepted."""

    groups: list[OutcomeGroup]


class RefusalQuarantine:
    """Keeps refused batches until it is clear whose fault that was; bounded, for so are the batches before that.

    Args:
        refusals: of the process.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._groups: list[OutcomeGroup] = []

    def add(self, batch: RefusedBatch) -> None:
        """Keep these."""
        self._groups += batch.groups

    def release(self, at_end: bool = False) -> Iterator[OutcomeGroup]:
        """The groups, once it is clear; at the partition's end they are what they seemed.

        Records that an API refuses which refuses everything are failed, so that they go again.
        """
        everything = self._refusals.everything
        if not (everything or self._refusals.refuted or at_end):
            return
        groups, self._groups = self._groups, []
        for group in groups:
            if everything and group.status != NOT_ATTEMPTED:
                code, cause = StopCode.REFUSES_EVERYTHING.value, self._refusals.cause
                # What the API said of a single record stays in its row: it says what to mend
                message = f"{group.error_message}; {cause}" if group.records.num_rows == 1 else cause
                group = group._replace(status=FAILED, error_code=code, error_message=message)
            yield group
