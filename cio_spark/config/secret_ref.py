"""Describes the place where a secret is stored."""

from __future__ import annotations

from pydantic import Field

from cio_spark.config.base import ConfigModel, Text


class SecretRef(ConfigModel):
    """Names a Databricks secret; it never contains the secret itself."""

    scope: Text = Field(description="The Databricks secret scope.")
    key: Text = Field(description="The name of the secret inside the scope, not the secret (the API key) itself.")
