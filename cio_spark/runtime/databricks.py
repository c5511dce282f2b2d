"""Reads Databricks widgets and secrets, and sets Databricks task values."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from cio_spark.config import SecretRef
from cio_spark.errors import ConfigurationError, Problem
from cio_spark.runtime.environment import is_on_databricks

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


def read_secret(secret: SecretRef) -> tuple[str | None, str]:
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
