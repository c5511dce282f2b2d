"""Keeps the persons whose later records must wait because an earlier record was not accepted."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from cio_spark.delivery.batching import Batch


class BlockedPersons:
    """Keeps the blocked persons of one lane until the partition ends; a lane has all records of its persons.

    Args:
        active: whether the call overwrites state, so that order matters; if False, no person is ever blocked.
    """

    def __init__(self, active: bool) -> None:
        self._active = active
        self._persons: set[str] = set()

    def add(self, batch: Batch) -> None:
        """Block the persons of these records, which were not accepted."""
        if self._active:
            self._persons.update(batch.records.column("person_key").drop_null().to_pylist())

    def take_out(self, batch: Batch) -> tuple[Batch, Batch | None]:
        """Separate the records of blocked persons from those that may be sent.

        Returns:
            The records that may be sent (there may be none), and those of blocked persons; None if there are none.
        """
        if not self._persons:
            return batch, None
        held = pc.is_in(batch.records.column("person_key"), pa.array(self._persons, pa.string()))
        if not pc.any(held).as_py():
            return batch, None
        return batch.chosen(pc.invert(held)), batch.chosen(held)
