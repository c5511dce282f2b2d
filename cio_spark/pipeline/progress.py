"""Defines the listener that a run tells its progress: the terminal shows it, jobs log it, tests ignore it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from cio_spark.model import DeliveryPlan, SyncResult


@dataclass(frozen=True)
class DeliveryProgress:
    """Describes how far a delivery is.

    A record is done when it has an outcome, accepted or not: Spark reports the number of such records, not their
    outcomes.

    Attributes:
        records_done: records of the run that are done.
        records: records of the run, including invalid ones, which are recorded but not sent.
        wave_records_done: records of the current wave that are done.
        wave_records: records of the current wave.
        tasks_done: completed tasks of the current wave.
        tasks: tasks of the current wave.
        records_per_second: records done per second, over the last half minute; None if it is not known yet.
        seconds_left: expected seconds until all records of the run are done; None if they are not known.
        limited_by: what limits the speed according to the plan, as a text for people.
    """

    records_done: int
    records: int
    wave_records_done: int
    wave_records: int
    tasks_done: int
    tasks: int
    records_per_second: float | None
    seconds_left: float | None
    limited_by: str


class Progress(Protocol):
    """Describes a listener of one run."""

    def phase(self, name: str) -> None:
        """Take note that a phase begins, such as `survey` or `deliver`."""
        ...

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """Take note that the delivery is about to start."""
        ...

    def delivered(self, progress: DeliveryProgress) -> None:
        """Take note how far the delivery is; called twice a second, unless `batch.enable_monitoring` is off."""
        ...

    def finished(self, result: SyncResult) -> None:
        """Take note that the run has ended."""
        ...


class NullProgress:
    """Ignores all progress."""

    def phase(self, name: str) -> None:
        """Ignore the phase."""

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """Ignore the plan."""

    def delivered(self, progress: DeliveryProgress) -> None:
        """Ignore the progress of the delivery."""

    def finished(self, result: SyncResult) -> None:
        """Ignore the result."""
