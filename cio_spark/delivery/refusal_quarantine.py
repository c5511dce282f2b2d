"""Distinguishes an API that refuses everything from an API that refuses bad records."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Final, NamedTuple

from cio_spark.delivery.outcome import FAILED, NOT_ATTEMPTED, OutcomeGroup
from cio_spark.delivery.stop import StopCode

REFUSED_BATCHES: Final = 3
"""Least number of root batches that must have been refused throughout."""

REFUSED_RECORDS: Final = 20
"""Least number of records that must also have been refused alone.

Without it, three tiny batches would be evidence against the API.
"""


class Refusals:
    """Counts the refusals that a process has seen in a run; its lanes share it.

    A root batch is refused throughout if it was divided down to at least one record that was refused alone, and all
    answers to it were refusals. If `REFUSED_BATCHES` root batches were refused throughout, with `REFUSED_RECORDS`
    records refused alone among them, and nothing was ever accepted, then the records are not the cause: the mapping,
    the call or the region is wrong. One accepted request removes the suspicion for good.

    This is found out with few requests: until then each batch may be divided as usual, so that a small run of truly bad
    records ends with each of them rejected; but the batch that would complete the evidence is divided only down to its
    first single record (`nearly_everything`).
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._accepted = False
        self._batches = 0
        self._records = 0
        self._last_reason = ""

    def accept(self) -> None:
        """Record that the API has accepted something."""
        self._accepted = True

    def refuse_batch(self, records: int, reason: str) -> None:
        """Record that a root batch was refused throughout.

        Args:
            records: number of its records that were refused alone.
            reason: the last answer, without words of the API.
        """
        with self._lock:
            self._batches += 1
            self._records += records
            self._last_reason = reason

    @property
    def something_accepted(self) -> bool:
        """Tell whether something was accepted."""
        return self._accepted

    @property
    def api_refuses_everything(self) -> bool:
        """Tell whether the API refuses everything."""
        return self._evident(self._batches, self._records)

    @property
    def nearly_everything(self) -> bool:
        """Tell whether one more batch with one refused record would show that the API refuses everything."""
        return self._evident(self._batches + 1, self._records + 1)

    @property
    def cause(self) -> str:
        """Return a sentence for people that says why to stop if everything is refused."""
        return (
            f"the API refuses everything that was sent ({self._last_reason}): check payload.call, the payload's "
            "mapping and api.region; nothing was accepted"
        )

    def _evident(self, batches: int, records: int) -> bool:
        return not self._accepted and batches >= REFUSED_BATCHES and records >= REFUSED_RECORDS


class RefusedBatch(NamedTuple):
    """Holds the groups of a root batch that was refused throughout before anything was accepted."""

    groups: list[OutcomeGroup]


class RefusalQuarantine:
    """Keeps refused batches until it is clear whether the records or the configuration caused the refusals.

    Its size is bounded, because only few batches can be refused throughout before this is clear.

    Args:
        refusals: refusals that the process has seen.
    """

    def __init__(self, refusals: Refusals) -> None:
        self._refusals = refusals
        self._groups: list[OutcomeGroup] = []

    def add(self, batch: RefusedBatch) -> None:
        """Keep the groups of a refused batch."""
        self._groups += batch.groups

    def release(self, at_end: bool = False) -> Iterator[OutcomeGroup]:
        """Yield the kept groups once the cause of the refusals is clear, or at the end of the partition.

        If the API refuses everything, their records become `failed`, so that later runs send them again. Otherwise the
        groups are yielded as they are.
        """
        api_refuses_everything = self._refusals.api_refuses_everything
        if not (api_refuses_everything or self._refusals.something_accepted or at_end):
            return
        groups, self._groups = self._groups, []
        for group in groups:
            if api_refuses_everything and group.status != NOT_ATTEMPTED:
                code, cause = StopCode.REFUSES_EVERYTHING.value, self._refusals.cause
                # What the API said about a single record stays in its row: it tells what to correct
                message = f"{group.error_message}; {cause}" if group.records.num_rows == 1 else cause
                group = group._replace(status=FAILED, error_code=code, error_message=message)
            yield group
