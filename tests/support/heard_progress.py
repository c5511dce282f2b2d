"""Provides a listener that remembers what a run told it."""

from __future__ import annotations

from cio_spark.model import DeliveryPlan
from cio_spark.pipeline.progress import DeliveryProgress, NullProgress


class Heard(NullProgress):
    """Remembers the plans and the progress that it was told."""

    def __init__(self) -> None:
        self.plans: list[DeliveryPlan] = []
        self.told: list[DeliveryProgress] = []

    def planned(self, sync: str, plan: DeliveryPlan) -> None:  # noqa: ARG002  the signature of `Progress`
        self.plans.append(plan)

    def delivered(self, progress: DeliveryProgress) -> None:
        self.told.append(progress)
