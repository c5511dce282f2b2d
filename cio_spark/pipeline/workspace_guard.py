"""Refuses a sync whose address changed: its tables know what one workspace accepted, and nothing of another.

The key is never kept, so a new key at the same address cannot be told from the old one (docs/configuration.md).
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
    """Refuses to go on where the sync's last run had another address and its tables rely on answers from there.

    The last run's address is the one the ledger belongs to: every run either passed this check, or was told that both
    addresses lead to the same workspace, or came before any record was answered at all.

    Args:
        config: the sync as it is now.
        tables: where the tables are.
        last_configuration: JSON of the configuration of the sync's last run; None: there is none.

    Raises:
        ConfigurationError: another address, and a record that would not be sent for what was answered there.
    """
    before, now = address_in(last_configuration), config.api.url
    if before is None or is_same_address(before, now) or not results.has_answers(tables, config.sync.name):
        return
    raise ConfigurationError.of(
        "api.base_url" if config.api.base_url else "api.region",
        f"leads sync {config.sync.name} to {now}, but what its tables in {tables.database} know was answered by "
        f"{before}, so records would count as sent that {now} never got; for another workspace choose other tables "
        "(tables.database) or another sync name; if it is the same workspace behind another address, say so once with "
        "--same-workspace",
    )


def address_in(configuration: str | None) -> str | None:
    """The API's address in the configuration that a run kept; None where there is none."""
    try:
        address = json.loads(configuration or "")["api"]["url"]
    except (ValueError, KeyError, TypeError):
        return None
    return address if isinstance(address, str) else None


def is_same_address(one: str, other: str) -> bool:
    """Tell whether two addresses lead to the same place; a port is part of one, also on this machine."""
    return _place(one) == _place(other)


def _place(address: str) -> tuple[str, str | None, int | None, str]:
    parts = urlsplit(address)
    return parts.scheme, parts.hostname, parts.port or _DEFAULT_PORTS.get(parts.scheme), parts.path.rstrip("/")
