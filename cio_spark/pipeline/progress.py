"""Defines the listener that a run tells its progress: the terminal shows it, jobs log it, tests ignore it."""

from __future__ import annotations

from typing import Protocol

from cio_spark.model import DeliveryPlan, SyncResult


class Progress(Protocol):
    """Describes a listener of one run."""

    def phase(self, name: str) -> None:
        """Take note that a phase begins, such as `survey` or `deliver`."""
        ...

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """Take note that the delivery is about to start."""
        ...

    def delivered(self, done: int, total: int) -> None:
        """Take note that `done` of the `total` tasks are completed; not called if `batch.enable_monitoring` is off."""
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

    def delivered(self, done: int, total: int) -> None:
        """Ignore the completed tasks."""

    def finished(self, result: SyncResult) -> None:
        """Ignore the result."""
