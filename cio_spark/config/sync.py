"""Defines the whole configuration of one sync."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from cio_spark.config.base import ConfigModel
from cio_spark.config.batch import BatchConfiguration
from cio_spark.config.calls import CallSpec, OnChange
from cio_spark.config.monitoring import MonitoringSection
from cio_spark.config.payload import PayloadSection
from cio_spark.config.sections import (
    ApiSection,
    DeadLettersSection,
    DeliverySection,
    SourceSection,
    SyncSection,
    TablesSection,
)

# Fields of the payload section that are texts, but not SQL
_NO_SQL = ("call", "record_id", "time_zone")


class SyncConfig(ConfigModel):
    """Describes one sync: each row of a source is sent as one call."""

    sync: SyncSection = Field(description="The sync itself.")
    source: SourceSection = Field(description="Where the rows come from.")
    payload: PayloadSection = Field(description="What is sent for a row.")
    batch: BatchConfiguration = Field(
        default_factory=BatchConfiguration, description="Batching, speed, retries and error handling."
    )
    api: ApiSection = Field(default_factory=ApiSection, description="The API's address and mode.")
    tables: TablesSection = Field(default_factory=TablesSection, description="Where the record of runs is kept.")
    delivery: DeliverySection = Field(default_factory=DeliverySection, description="Waves and the delivery's engine.")
    dead_letters: DeadLettersSection = Field(
        default_factory=DeadLettersSection, description="Records that could not be delivered."
    )
    monitoring: MonitoringSection = Field(
        default_factory=MonitoringSection, description="When to raise an alert, and whom to tell."
    )

    @property
    def call(self) -> CallSpec:
        """Everything that depends on the call."""
        return self.payload.call.spec

    @property
    def operation_type(self) -> str:
        """Operation type that applies: the user's, else the call's."""
        return self.sync.operation_type or self.call.operation_type

    @property
    def on_change(self) -> OnChange:
        """Treatment of changed records that applies: the user's, else the call's."""
        return self.sync.on_change or self.call.on_change

    @property
    def requests_per_second(self) -> float:
        """Rate that applies, in requests per second: this sync's share of the limit."""
        return self.batch.rate_limit_rps * self.api.share_of_rate

    @property
    def error_threshold_percent(self) -> float:
        """Error threshold that applies, in percent.

        It is 0 for suppressions and deletions: one that fails is a broken promise, so none may fail.
        """
        return self.batch.error_threshold_percent if self.call.tolerates_errors else 0.0

    def expressions(self) -> dict[str, str]:
        """Return every SQL text of the configuration by its path, so that a message can name the one that failed."""
        payload = self.payload
        texts: dict[str, Any] = {
            "source.where": self.source.where,
            "source.query": self.source.query,
            **{f"source.order_by.{index}": text for index, text in enumerate(self.source.order_by)},
            **{f"payload.{name}": getattr(payload, name) for name in type(payload).model_fields if name not in _NO_SQL},
        }
        for name in ("properties", "traits", "context"):
            mapping = getattr(payload, name)
            if mapping is not None:
                texts |= {f"payload.{name}.set.{field}": scalar for field, scalar in mapping.set.items()}
        return {path: text for path, text in texts.items() if isinstance(text, str)}

    def describe(self) -> dict[str, Any]:
        """Return the resolved configuration as data for JSON, with the place of the key but never the key itself."""
        described = self.model_dump(mode="json", by_alias=True)
        described["sync"] |= {"operation_type": self.operation_type, "on_change": self.on_change.value}
        described["api"]["url"] = self.api.url
        return described
