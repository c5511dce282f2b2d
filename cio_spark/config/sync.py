"""The whole configuration of one sync."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from cio_spark.config.base import ConfigModel
from cio_spark.config.batch import BatchConfiguration
from cio_spark.config.calls import CALL_RULES, OnChange
from cio_spark.config.payload import PayloadSection
from cio_spark.config.sections import ApiSection, SourceSection, SyncSection, TablesSection


class SyncConfig(ConfigModel):
    """One sync: rows of a source, sent as one call each."""

    sync: SyncSection = Field(description="The sync itself.")
    source: SourceSection = Field(description="Where the rows come from.")
    payload: PayloadSection = Field(description="What is sent for a row.")
    batch: BatchConfiguration = Field(
        default_factory=BatchConfiguration, description="Batching, speed, retries and error handling."
    )
    api: ApiSection = Field(default_factory=ApiSection, description="The API's address and mode.")
    tables: TablesSection = Field(default_factory=TablesSection, description="Where the record of runs is kept.")

    @property
    def operation_type(self) -> str:
        """The operation type in force: the user's, else the call's."""
        return self.sync.operation_type or CALL_RULES[self.payload.call].operation_type

    @property
    def on_change(self) -> OnChange:
        """What happens to changed records: the user's word, else the call's."""
        return self.sync.on_change or CALL_RULES[self.payload.call].on_change

    def describe(self) -> dict[str, Any]:
        """The resolved configuration as JSON-able data; it names where the key is kept, and never holds the key."""
        described = self.model_dump(mode="json", by_alias=True)
        described["sync"] |= {"operation_type": self.operation_type, "on_change": self.on_change.value}
        described["api"]["url"] = self.api.url
        return described
