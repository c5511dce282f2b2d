"""Finds addresses to which the key would cross a network in clear text."""

from __future__ import annotations

import ipaddress
from typing import Final
from urllib.parse import urlsplit

CLEAR_TEXT: Final = (
    "starts with http://, so the API key and every record would cross the network in clear text: use https://, or say "
    "{insecure} if this network may read them (http:// to this very machine needs no such word)"
)
"""Message that refuses such an address; `insecure` is replaced by the way to use it all the same."""


def crosses_network_in_clear_text(url: str) -> bool:
    """Tell whether requests to an address leave this machine without encryption.

    Args:
        url: an address. The answer for an address that cannot be read is False, because nothing is sent there.
    """
    try:
        parts = urlsplit(url)
        return parts.scheme.lower() == "http" and bool(parts.hostname) and not _is_this_machine(parts.hostname or "")
    except ValueError:
        return False


def _is_this_machine(host: str) -> bool:
    """Tell whether a host is a loopback address (RFC 1122, RFC 4291) or always a name for one (RFC 6761)."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback
