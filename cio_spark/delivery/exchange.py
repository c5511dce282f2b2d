"""Describes the result of one HTTP exchange."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Failure(Enum):
    """Lists the reasons why an exchange has no status."""

    CONNECTION = "connection"
    TIMEOUT = "timeout"
    REQUEST = "request"
    """The request could not be made at all, because of an impossible address or a broken proxy setting."""


@dataclass(frozen=True)
class Answer:
    """Holds the result of one exchange: a failure is data here, never an exception.

    Attributes:
        status: the HTTP status; None if none came.
        reason: what went wrong, for people; bounded in length, without the key. Words of the API may repeat what was
            sent: they belong only in the row of the one record that they are about. Empty for a 2xx.
        retry_after_seconds: the wait that the API asked for, from 0 to 300 s; None if it asked for none.
        failure: reason why there is no status; None if there is one.
        elapsed_seconds: duration of the whole exchange.
        compressed_bytes: bytes of the compressed body; None if it was sent uncompressed.
    """

    status: int | None
    reason: str = ""
    retry_after_seconds: float | None = None
    failure: Failure | None = None
    elapsed_seconds: float = 0.0
    compressed_bytes: int | None = None

    @property
    def brief(self) -> str:
        """Return what went wrong without any words of the API, for every place except the record's own row."""
        return self.reason if self.status is None or self.is_redirect else f"HTTP {self.status}"

    @property
    def is_success(self) -> bool:
        """Tell whether the status is a 2xx, whatever the body says."""
        return self.status is not None and 200 <= self.status < 300

    @property
    def is_redirect(self) -> bool:
        """Tell whether the status is a 3xx; redirects are never followed."""
        return self.status is not None and 300 <= self.status < 400
