"""Defines places in a configuration, and findings: what is wrong at a place."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Location: TypeAlias = "tuple[str | int, ...]"
"""Keys and list indexes from the top down; keys may contain dots, so messages join them only at the end."""


class Finding(NamedTuple):
    """Describes a problem whose place is not yet a text."""

    location: Location
    message: str

    @property
    def path(self) -> str:
        """Place as users know it: `payload.properties.set.total`."""
        return ".".join(map(str, self.location))


def holds(data: Any, location: Location) -> bool:
    """Tell whether the data has a value at this place; null counts as a value."""
    for part in location:
        if isinstance(data, dict) and part in data:
            data = data[part]
            continue
        if not isinstance(data, list) or not isinstance(part, int) or part >= len(data):
            return False
        data = data[part]
    return True
