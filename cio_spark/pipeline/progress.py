"""What a run tells while it runs; the terminal shows it, jobs log it, tests ignore it."""

from __future__ import annotations

from typing import Protocol

from cio_spark.model import DeliveryPlan, SyncResult


class Progress(Protocol):
    """Listener of one run."""

    def phase(self, name: str) -> None:
        """A phase begins: `survey`, `deliver`, …"""
        ...

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """The delivery is about to start."""
        ...

    def delivered(self, done: int, total: int) -> None:
        """So many of the delivery's tasks are completed; not told where `batch.enable_monitoring` is off."""
        ...

    def finished(self, result: SyncResult) -> None:
        """The run has come to its end."""
        ...


class NullProgress:
    """A listener that does nothing."""

    def phase(self, name: str) -> None:
        """Ignored."""

    def planned(self, sync: str, plan: DeliveryPlan) -> None:
        """Ignored."""

    def delivered(self, done: int, total: int) -> None:
        """Ignored."""

    def finished(self, result: SyncResult) -> None:
        """Ignored."""
