"""Refuses a sync whose API address changed, because its tables only know what the former workspace accepted.

The API key is never stored, so a new key at the same address cannot be noticed (docs/configuration.md).
"""

from __future__ import annotations

import json
from urllib.parse import urlsplit

from cio_spark import results
from cio_spark.config import SyncConfig
from cio_spark.errors import ConfigurationError
from cio_spark.results import Tables

_DEFAULT_PORTS = {"http": 80, "https": 443}


def check_address(config: SyncConfig, tables: Tables, last_configuration: str | None) -> None:
    """Raise if the sync's last run had another API address and its tables contain answers from that address.

    The ledger belongs to the address of the last run, because every run passed this check, or was told that both
    addresses lead to the same workspace, or ran before any record had an answer.

    Args:
        config: present configuration of the sync.
        tables: access to the Delta tables.
        last_configuration: JSON of the configuration of the sync's last run; None if there is none.

    Raises:
        ConfigurationError: the address changed, and at least one record would not be sent because of an answer from
            the former address.
    """
    before, now = address_in(last_configuration), config.api.url
    if before is None or is_same_address(before, now) or not results.has_api_verdicts(tables, config.sync.name):
        return
    raise ConfigurationError.of(
        "api.base_url" if config.api.base_url else "api.region",
        f"leads sync {config.sync.name} to {now}, but what its tables in {tables.database} know was answered by "
        f"{before}, so records would count as sent that {now} never got; for another workspace choose other tables "
        "(tables.database) or another sync name; if it is the same workspace behind another address, say so once with "
        "--same-workspace",
    )


def address_in(configuration: str | None) -> str | None:
    """Return the API's address from the recorded configuration of a run; None if it has none."""
    try:
        address = json.loads(configuration or "")["api"]["url"]
    except (ValueError, KeyError, TypeError):
        return None
    return address if isinstance(address, str) else None


def is_same_address(one: str, other: str) -> bool:
    """Tell whether two addresses lead to the same place; the port counts too, also on the local machine."""
    return _place(one) == _place(other)


def _place(address: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path.rstrip("/")
