"""Where a secret is kept."""

from __future__ import annotations

from pydantic import Field

from cio_spark.config.base import ConfigModel, Text


class SecretRef(ConfigModel):
    """A Databricks secret by name; never what it holds."""

    scope: Text = Field(description="The Databricks secret scope.")
    key: Text = Field(description="The name of the secret inside the scope, not the secret (the API key) itself.")
