"""Where the package touches its surroundings: environment variables, secrets, signals, the Spark session."""

from cio_spark.runtime.environment import (
    WidgetSettings,
    environment_overrides,
    find_api_key,
    find_webhook,
    read_widgets,
    set_task_values,
)
from cio_spark.runtime.process import cancel_on_signals, is_here, owner, owner_is_dead
from cio_spark.runtime.session import (
    DEFAULT_WAREHOUSE,
    WAREHOUSE_VARIABLE,
    Runtime,
    build_session,
    log_file,
    open_runtime,
    silence_quoting_loggers,
)

__all__ = [
    "DEFAULT_WAREHOUSE",
    "WAREHOUSE_VARIABLE",
    "Runtime",
    "WidgetSettings",
    "build_session",
    "cancel_on_signals",
    "environment_overrides",
    "find_api_key",
    "find_webhook",
    "is_here",
    "log_file",
    "open_runtime",
    "owner",
    "owner_is_dead",
    "read_widgets",
    "set_task_values",
    "silence_quoting_loggers",
]
