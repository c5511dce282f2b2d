"""Places in a configuration, and what is wrong there."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeAlias

Location: TypeAlias = "tuple[str | int, ...]"
"""Keys and list indexes from the top down; a key may hold dots, so places become dotted text only in the end."""


class Finding(NamedTuple):
    """A problem whose place is still in parts."""

    location: Location
    message: str

    @property
    def path(self) -> str:
        """The place as users know it: `payload.properties.set.total`."""
        return ".".join(map(str, self.location))


def holds(data: Any, location: Location) -> bool:
    """Whether the data says something at this place (null included)."""
    for part in location:
        if isinstance(data, dict) and part in data:
            data = data[part]
            continue
        if not isinstance(data, list) or not isinstance(part, int) or part >= len(data):
            return False
        data = data[part]
    return True
