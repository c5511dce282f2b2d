"""Finds the API key and the webhook: in the environment, else in a Databricks secret."""

from __future__ import annotations

from cio_spark.config import ApiKey, SyncConfig, WebhookUrl
from cio_spark.errors import ConfigurationError
from cio_spark.runtime.databricks import read_secret
from cio_spark.runtime.environment import read_variable

KEY_VARIABLE = "CUSTOMERIO_API_KEY"
WEBHOOK_VARIABLE = "CIO_SPARK_WEBHOOK_URL"


def find_api_key(config: SyncConfig) -> ApiKey:
    """Find the API key: in the environment, else in the Databricks secret that the configuration names.

    Raises:
        ConfigurationError: the key is in neither place; the message lists both.
    """
    value = read_variable(KEY_VARIABLE)
    if value is not None:
        return ApiKey(value)
    secret = config.api.secret
    looked = [f"the environment variable {KEY_VARIABLE} is not set"]
    if secret is None:
        looked.append("api.secret names no Databricks secret")
    else:
        found, trouble = read_secret(secret)
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
    value = read_variable(WEBHOOK_VARIABLE)
    if value is not None:
        return WebhookUrl(value)
    secret = config.monitoring.webhook_secret
    if secret is None:
        return None
    found, trouble = read_secret(secret)
    if found is None:
        raise ConfigurationError.of("monitoring.webhook_secret", trouble)
    return WebhookUrl(found)
