"""Reads environment variables, Databricks secrets and widgets, and sets Databricks task values."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cio_spark.config import ApiKey, SecretRef, SyncConfig, WebhookUrl
from cio_spark.errors import ConfigurationError, Problem

KEY_VARIABLE = "CUSTOMERIO_API_KEY"
URL_VARIABLE = "CUSTOMERIO_BASE_URL"
WEBHOOK_VARIABLE = "CIO_SPARK_WEBHOOK_URL"
DATABRICKS_VARIABLE = "DATABRICKS_RUNTIME_VERSION"
"""Environment variable that is set in every process of Databricks compute, serverless compute included."""
WAREHOUSE_VARIABLE = "CIO_SPARK_WAREHOUSE"
# Databricks, spark-submit and users of Spark Connect set one of these, and then provide a session
_SESSION_VARIABLES = (DATABRICKS_VARIABLE, "PYSPARK_GATEWAY_PORT", "SPARK_REMOTE")
ENVIRONMENT_WIDGET = "environment"
WIDGETS: Final[Mapping[str, str]] = {
    "customerio_region": "api.region",
    "database_name": "tables.database",
    "catalog_name": "tables.catalog",
}
"""Settings by the widget that stands for each of them; the widgets have the names of the prototype notebook."""


@dataclass(frozen=True)
class WidgetSettings:
    """Holds the settings that the widgets of a notebook, or the parameters of a notebook task, give.

    Attributes:
        environment: name of an environment file; None if no widget names one.
        overrides: the other settings, in the form of `--set`.
    """

    environment: str | None = None
    overrides: tuple[str, ...] = ()


def read_widgets() -> WidgetSettings:
    """Read the widgets `customerio_region`, `database_name`, `catalog_name` and `environment`.

    A widget that is missing or blank gives no setting. Outside of Databricks there are no settings.
    """
    dbutils = _dbutils() if is_on_databricks() else None
    if dbutils is None:
        return WidgetSettings()
    return _settings_of({name: _widget(dbutils, name) for name in (*WIDGETS, ENVIRONMENT_WIDGET)})


def read_parameters(parameters: Sequence[str]) -> WidgetSettings:
    """Read parameters of a job that have the names of widgets.

    Databricks shows a job's parameters to notebooks as widgets, but not to scripts, which get them as arguments.

    Args:
        parameters: texts `name=value`; a blank value gives no setting, so a job can have parameters without values.

    Raises:
        ConfigurationError: a text has another form or another name, or a name has two values; the error carries all
            such problems.
    """
    known = (*WIDGETS, ENVIRONMENT_WIDGET)
    said: dict[str, str] = {}
    problems: list[Problem] = []
    for text in parameters:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals or name not in known:
            problems.append(Problem("--parameter", f"must be NAME=VALUE with one of the names {', '.join(known)}"))
        elif value and said.setdefault(name, value) != value:
            problems.append(Problem("--parameter", f"has two values for {name}: name one of them"))
    if problems:
        raise ConfigurationError(list(dict.fromkeys(problems)))
    return _settings_of(said)


def _settings_of(said: Mapping[str, str]) -> WidgetSettings:
    """Return the settings that values of widgets give."""
    # json.dumps adds quotes, because the name of a database may be `on` or `1`
    overrides = tuple(f"{key}={json.dumps(said[name])}" for name, key in WIDGETS.items() if said.get(name))
    return WidgetSettings(said.get(ENVIRONMENT_WIDGET) or None, overrides)


def create_widgets(**values: str) -> None:
    """Create the text widgets that `read_widgets` reads, at the top of a notebook; do nothing outside of Databricks.

    A widget that exists keeps what the user, or the parameter of a job, has said.

    Args:
        values: the first value of each widget by its name; widgets that are not named start blank.

    Raises:
        ConfigurationError: there is no setting for a widget of that name.
    """
    names = (*WIDGETS, ENVIRONMENT_WIDGET)
    unknown = [Problem(name, f"is no widget: there are {', '.join(names)}") for name in values if name not in names]
    if unknown:
        raise ConfigurationError(unknown)
    dbutils = _dbutils() if is_on_databricks() else None
    if dbutils is None:
        return
    for name in names:
        try:
            dbutils.widgets.get(name)
        except Exception:  # there is no such widget; dbutils then raises a Java exception
            dbutils.widgets.text(name, values.get(name, ""))


def _widget(dbutils: Any, name: str) -> str:
    try:
        return str(dbutils.widgets.get(name) or "").strip()
    except Exception:  # there is no such widget; dbutils then raises a Java exception
        return ""


def is_on_databricks() -> bool:
    """Tell whether this process runs on Databricks compute."""
    return DATABRICKS_VARIABLE in os.environ


def has_session_elsewhere() -> bool:
    """Tell whether somebody else provides the Spark session: a cluster, spark-submit or Spark Connect."""
    return any(variable in os.environ for variable in _SESSION_VARIABLES)


def warehouse_of_environment() -> Path | None:
    """Return the folder of local tables that `CIO_SPARK_WAREHOUSE` names; None if it is not set."""
    named = os.environ.get(WAREHOUSE_VARIABLE)
    return Path(named) if named else None


def cache_folder() -> Path:
    """Return the folder in which the files that local sessions have fetched are kept between runs."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cio-spark"


def has_java() -> bool:
    """Tell whether Spark can find Java."""
    return shutil.which("java") is not None or bool(os.environ.get("JAVA_HOME"))


def says_terminal_width() -> bool:
    """Tell whether the user has set the width of the terminal (`COLUMNS`)."""
    return "COLUMNS" in os.environ


def prepare_local_spark() -> None:
    """Set the environment variables of a local session: workers run this Python, and Spark stays on loopback."""
    os.environ["PYSPARK_PYTHON"] = sys.executable
    os.environ.setdefault("SPARK_LOCAL_IP", "127.0.0.1")


def environment_overrides() -> list[str]:
    """Return the overrides that come from environment variables, in the form of `--set`."""
    url = os.environ.get(URL_VARIABLE)
    return [f"api.base_url={url}"] if url else []


def find_api_key(config: SyncConfig) -> ApiKey:
    """Find the API key: in the environment, else in the Databricks secret that the configuration names.

    Raises:
        ConfigurationError: the key is in neither place; the message lists both.
    """
    value = os.environ.get(KEY_VARIABLE)
    if value:
        return ApiKey(value)
    secret = config.api.secret
    looked = [f"the environment variable {KEY_VARIABLE} is not set"]
    if secret is None:
        looked.append("api.secret names no Databricks secret")
    else:
        found, trouble = _read_secret(secret)
        if found is not None:
            return ApiKey(found)
        looked.append(trouble)
    raise ConfigurationError.of("API key", "is missing: " + ", and ".join(looked))


def find_webhook(config: SyncConfig) -> WebhookUrl | None:
    """Find the webhook that alerts are sent to: in the environment, else in the Databricks secret of `monitoring`.

    Returns:
        None if the variable is not set and the configuration names no secret.

    Raises:
        ConfigurationError: the secret cannot be read, or the value is not an address.
    """
    value = os.environ.get(WEBHOOK_VARIABLE)
    if value:
        return WebhookUrl(value)
    secret = config.monitoring.webhook_secret
    if secret is None:
        return None
    found, trouble = _read_secret(secret)
    if found is None:
        raise ConfigurationError.of("monitoring.webhook_secret", trouble)
    return WebhookUrl(found)


def _read_secret(secret: SecretRef) -> tuple[str | None, str]:
    """Return the value of a Databricks secret and an empty message, or None and the reason why it cannot be read."""
    dbutils = _dbutils()
    if dbutils is None:
        return None, f"the Databricks secret {secret.scope}/{secret.key} can only be read on Databricks"
    try:
        return str(dbutils.secrets.get(scope=secret.scope, key=secret.key)), ""
    except Exception as error:  # dbutils raises Java exceptions of many classes
        return None, f"the Databricks secret {secret.scope}/{secret.key} cannot be read ({type(error).__name__})"


def set_task_values(values: Mapping[str, str | int]) -> str | None:
    """Pass values to later tasks of a Databricks job; do nothing outside of Databricks.

    Args:
        values: values by key; later tasks read them with `{{tasks.<this task>.values.<key>}}`.

    Returns:
        The class of the exception with which Databricks refused a value, for people; None if it refused none. A task
        that has done its work must not fail because of that.
    """
    if not is_on_databricks():  # _dbutils would open a session
        return None
    try:
        dbutils = _dbutils()
        if dbutils is not None:
            for key, value in values.items():
                dbutils.jobs.taskValues.set(key=key, value=value)
    except Exception as error:  # dbutils raises Java exceptions of many classes
        return type(error).__name__
    return None


def _dbutils() -> Any | None:
    try:
        from pyspark.dbutils import DBUtils  # type: ignore[import-not-found]  # exists on Databricks only
        from pyspark.sql import SparkSession
    except ImportError:
        return None
    return DBUtils(SparkSession.builder.getOrCreate())
