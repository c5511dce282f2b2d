"""Finds an API key or a webhook's address where it must never be: in YAML or in `--set`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from cio_spark.config.located import Finding, Location

ADVICE = (
    "an API key never goes into YAML or --set: put it into the environment variable CUSTOMERIO_API_KEY, "
    "or name a Databricks secret with api.secret: {scope: ..., key: ...}"
)
_WORDS = ("apikey", "secret", "token", "password", "passwd", "credential", "writekey", "accesskey", "privatekey")
WEBHOOK_ADVICE = (
    "a webhook's address is a secret and never goes into YAML or --set: put it into the environment variable "
    "CIO_SPARK_WEBHOOK_URL, or name a Databricks secret with monitoring.webhook_secret: {scope: ..., key: ...}"
)
_REFERENCES: dict[Location, str] = {("api", "secret"): ADVICE, ("monitoring", "webhook_secret"): WEBHOOK_ADVICE}
"""Places that name a secret, each with the advice for a user who writes the secret itself there."""
_KNOWN: frozenset[Location] = frozenset(
    {*_REFERENCES, *((*place, "key") for place in _REFERENCES), ("payload", "device_token")}
)


def looks_secret(key: object) -> bool:
    """Tell whether the value of this key may be a secret, so that it must not be shown."""
    bare = re.sub("[^a-z]", "", str(key).lower())
    return bare in ("key", "auth", "authorization") or any(word in bare for word in _WORDS)


def key_leaks(data: dict[str, Any]) -> list[Finding]:
    """Find the places that look as if a secret were written there.

    Args:
        data: one layer or the merged configuration.

    Returns:
        One finding per place. Fields that a payload computes (`payload.properties.set.token`) are the user's own
        decision and are not looked at.
    """
    return list(_leaks(data, ()))


def _leaks(data: Any, location: Location) -> Iterator[Finding]:
    if not isinstance(data, dict):
        return
    for key, value in data.items():
        place = (*location, key)
        if place in _REFERENCES:
            if value is not None and not isinstance(value, dict):
                yield Finding(place, _REFERENCES[place])
        elif place[0] == "monitoring" and "webhook" in str(key).lower():
            yield Finding(place, WEBHOOK_ADVICE)
            continue
        elif looks_secret(key) and place not in _KNOWN:
            yield Finding(place, ADVICE)
            continue
        if place[0] != "payload" or len(place) == 1:
            yield from _leaks(value, place)
