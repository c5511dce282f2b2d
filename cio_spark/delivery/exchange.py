"""What came of one HTTP exchange."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Failure(Enum):
    """Why there is no status."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    REQUEST = "request"
    """The request could not even be made: an impossible address, a broken proxy setting."""


@dataclass(frozen=True)
class Answer:
    """One exchange; data, never an exception.

    Attributes:
        status: the HTTP status, None when none came.
        reason: what went wrong, for people; bounded, without the key. The API's own words may echo what was sent: they
            are only for the row of the one record they speak of. Empty for a 2xx.
        retry_after_seconds: what the API asked for, clamped; None: nothing.
        failure: why there is no status.
        elapsed_seconds: the whole exchange.
        compressed_bytes: the body on the wire, None if it went plain.
    """

    status: int | None
    reason: str = ""
    retry_after_seconds: float | None = None
    failure: Failure | None = None
    elapsed_seconds: float = 0.0
    compressed_bytes: int | None = None

    @property
    def brief(self) -> str:
        """Says in words of ours alone what went wrong, for every place but the record's own row."""
        return self.reason if self.status is None or self.is_redirect else f"HTTP {self.status}"

    @property
    def is_success(self) -> bool:
        """Any 2xx, whatever its body says."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Any 3xx; none is ever followed."""
        return self.status is not None and 300 <= self.status < 400
