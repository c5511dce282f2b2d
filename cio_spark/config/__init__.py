"""Defines the configuration: its models, its loader and its JSON schema."""

from cio_spark.config.batch import (
    BatchConfiguration,
    BatchStatus,
    BatchStrategy,
    ErrorHandlingStrategy,
    ProcessingPriority,
)
from cio_spark.config.calls import Call, CallSpec, OnChange, Overwrites
from cio_spark.config.json_schema import configuration_schema, render_schema
from cio_spark.config.loader import load_config, load_configs
from cio_spark.config.mapping import FieldMapping, Literal, Scalar
from cio_spark.config.monitoring import MonitoringSection
from cio_spark.config.payload import PayloadSection
from cio_spark.config.policies import NullHandling, NullPolicy, TimestampFormat, TimestampPolicy
from cio_spark.config.secret import ApiKey, WebhookUrl
from cio_spark.config.secret_ref import SecretRef
from cio_spark.config.sections import (
    ApiSection,
    ChangeFeedUse,
    DeadLettersSection,
    DeliveryEngine,
    DeliverySection,
    Region,
    SourceSection,
    SyncSection,
    TablesSection,
)
from cio_spark.config.semantic_events import NEAR_MISSES, RESERVED_EVENTS, event_key, reserved_event
from cio_spark.config.sync import SyncConfig
from cio_spark.config.sync_files import find_sync_files, split_names

__all__ = [
    "NEAR_MISSES",
    "RESERVED_EVENTS",
    "ApiKey",
    "ApiSection",
    "BatchConfiguration",
    "BatchStatus",
    "BatchStrategy",
    "Call",
    "CallSpec",
    "ChangeFeedUse",
    "DeadLettersSection",
    "DeliveryEngine",
    "DeliverySection",
    "ErrorHandlingStrategy",
    "FieldMapping",
    "Literal",
    "MonitoringSection",
    "NullHandling",
    "NullPolicy",
    "OnChange",
    "Overwrites",
    "PayloadSection",
    "ProcessingPriority",
    "Region",
    "Scalar",
    "SecretRef",
    "SourceSection",
    "SyncConfig",
    "SyncSection",
    "TablesSection",
    "TimestampFormat",
    "TimestampPolicy",
    "WebhookUrl",
    "configuration_schema",
    "event_key",
    "find_sync_files",
    "load_config",
    "load_configs",
    "render_schema",
    "reserved_event",
    "split_names",
]
