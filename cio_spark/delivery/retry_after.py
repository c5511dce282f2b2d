"""Reads the Retry-After header, with which the API asks for a wait."""

from __future__ import annotations

from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

MAX_RETRY_AFTER_SECONDS = 300.0


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """Return the wait that a Retry-After header asks for, at most 300 s.

    Args:
        header: seconds or an HTTP date (RFC 9110, section 10.2.3); None if there is no header.
        now: current time, UTC.

    Returns:
        Seconds from now, 0 for a date in the past; None if there is no header that can be read.
    """
    text = (header or "").strip()
    if text.isascii() and text.isdigit():
        return min(float(text), MAX_RETRY_AFTER_SECONDS)
    try:
        until = parsedate_to_datetime(text)
    except (TypeError, ValueError, OverflowError):
        return None
    if until.tzinfo is None:
        until = until.replace(tzinfo=timezone.utc)
    return min(max((until - now).total_seconds(), 0.0), MAX_RETRY_AFTER_SECONDS)
