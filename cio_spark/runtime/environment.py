"""Reads environment variables, and sets those of a local session."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

URL_VARIABLE = "CUSTOMERIO_BASE_URL"
DATABRICKS_VARIABLE = "DATABRICKS_RUNTIME_VERSION"
"""Environment variable that is set in every process of Databricks compute, serverless compute included."""
WAREHOUSE_VARIABLE = "CIO_SPARK_WAREHOUSE"
# Databricks, spark-submit and users of Spark Connect set one of these, and then provide a session
_SESSION_VARIABLES = (DATABRICKS_VARIABLE, "PYSPARK_GATEWAY_PORT", "SPARK_REMOTE")


def read_variable(name: str) -> str | None:
    """Return the value of an environment variable; None if it is not set, or empty."""
    return os.environ.get(name) or None


def is_on_databricks() -> bool:
    """Tell whether this process runs on Databricks compute."""
    return DATABRICKS_VARIABLE in os.environ


def has_session_elsewhere() -> bool:
    """Tell whether somebody else provides the Spark session: a cluster, spark-submit or Spark Connect."""
    return any(variable in os.environ for variable in _SESSION_VARIABLES)


def warehouse_of_environment() -> Path | None:
    """Return the folder of local tables that `CIO_SPARK_WAREHOUSE` names; None if it is not set."""
    named = read_variable(WAREHOUSE_VARIABLE)
    return None if named is None else Path(named)


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
    url = read_variable(URL_VARIABLE)
    return [] if url is None else [f"api.base_url={url}"]
