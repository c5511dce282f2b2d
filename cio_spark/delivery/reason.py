"""Why the API refused a request, read from its answer: the status first, the body second."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

MAX_REASON_CHARACTERS = 500
MAX_RETRY_AFTER_SECONDS = 300.0


def describe(status: int, body: bytes) -> str:
    """One line for people: the status, and the texts of a documented error body.

    Args:
        status: the HTTP status, not a 2xx.
        body: as much of the body as was read. Only texts in the two documented places are quoted,
            `{"meta":{"errors":["text"]}}` and `{"meta":{"error":"text"}}`: anything else might echo the payload.
    """
    texts = _error_texts(body)
    if texts:
        line = " ".join(f"HTTP {status}: {'; '.join(texts)}".split())
        return line if len(line) <= MAX_REASON_CHARACTERS else f"{line[: MAX_REASON_CHARACTERS - 1]}…"
    return f"HTTP {status} (HTML page)" if body.lstrip()[:1] == b"<" else f"HTTP {status}"


def retry_after_seconds(header: str | None, now: datetime) -> float | None:
    """The wait a Retry-After header asks for, at most 300 s.

    Args:
        header: seconds or an HTTP date (RFC 9110, section 10.2.3).
        now: UTC.

    Returns:
        Seconds from now, 0 for a date in the past; None without a header that can be read.
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


def _error_texts(body: bytes) -> list[str]:
    try:
        meta = json.loads(body)["meta"]
        found = meta["errors"] if "errors" in meta else [meta["error"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
