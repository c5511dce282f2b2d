"""Persons whose later records wait, because an earlier one was not accepted."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cio_spark.delivery.batching import Batch


class BlockedPersons:
    """Of one lane, which has all records of its persons; for the rest of the partition.

    Args:
        active: whether the call overwrites state, so that order matters; otherwise nobody is ever held.
    """

    def __init__(self, active: bool) -> None:
        self._active = active
        self._persons: set[str] = set()

    def add(self, batch: Batch) -> None:
        """These records failed or were rejected."""
        if self._active:
            self._persons.update(batch.records.column("person_key").drop_null().to_pylist())

    def take_out(self, batch: Batch) -> tuple[Batch, Batch | None]:
        """What may be sent (it can be empty), and what is held; None: nothing is."""
        if not self._persons:
            return batch, None
        held = pc.is_in(batch.records.column("person_key"), pa.array(self._persons, pa.string()))
        if not pc.any(held).as_py():
            return batch, None
        return batch.chosen(pc.invert(held)), batch.chosen(held)
