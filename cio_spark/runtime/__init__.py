"""Reads and changes the environment of a run: environment variables, secrets, signals and the process."""

from cio_spark.runtime.credentials import find_api_key, find_webhook
from cio_spark.runtime.databricks import (
    WidgetSettings,
    create_widgets,
    read_parameters,
    read_widgets,
    set_task_values,
)
from cio_spark.runtime.environment import (
    WAREHOUSE_VARIABLE,
    cache_folder,
    environment_overrides,
    has_java,
    has_session_elsewhere,
    is_on_databricks,
    prepare_local_spark,
    says_terminal_width,
    warehouse_of_environment,
)
from cio_spark.runtime.process import cancel_on_signals, is_on_this_machine, owner, owner_is_dead

__all__ = [
    "WAREHOUSE_VARIABLE",
    "WidgetSettings",
    "cache_folder",
    "cancel_on_signals",
    "create_widgets",
    "environment_overrides",
    "find_api_key",
    "find_webhook",
    "has_java",
    "has_session_elsewhere",
    "is_on_databricks",
    "is_on_this_machine",
    "owner",
    "owner_is_dead",
    "prepare_local_spark",
    "read_parameters",
    "read_widgets",
    "says_terminal_width",
    "set_task_values",
    "warehouse_of_environment",
]
