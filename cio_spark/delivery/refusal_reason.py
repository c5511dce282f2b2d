"""Describes why the API refused a request, by its answer: the status first, the body second."""

from __future__ import annotations

import json
import re
import unicodedata
from urllib.parse import urlsplit

MAX_REASON_CHARACTERS = 500
_PLAIN_HOST = re.compile(r"[A-Za-z0-9. -]{1,255}")

_ESCAPE_SEQUENCES = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor, clearing the screen
    r"|(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x1b\x07\x9c]*(?:\x1b\\|\x07|\x9c)"  # OSC, DCS: titles, links
    r"|\x1b[ -/]*[0-~]"
)
"""Sequences of ECMA-48 that terminals obey instead of showing them; of one that never ends, only the start matches."""

_UNSEEN = frozenset({"Cc", "Cf", "Cs"})
"""Unicode categories: control characters (C0, C1), characters that reverse text (bidi) or are invisible, surrogates."""


def describe(status: int, body: bytes) -> str:
    """Return one line for people: the status, and the texts of a documented error body.

    Args:
        status: the HTTP status, not a 2xx.
        body: the part of the body that was read. Only texts in the two documented places are quoted,
            `{"meta":{"errors":["text"]}}` and `{"meta":{"error":"text"}}`: any other text might repeat the payload.
    """
    said = one_line("; ".join(_error_texts(body)))
    if said:
        line = f"HTTP {status}: {said}"
        return line if len(line) <= MAX_REASON_CHARACTERS else f"{line[: MAX_REASON_CHARACTERS - 1]}…"
    return f"HTTP {status} (HTML page)" if body.lstrip()[:1] == b"<" else f"HTTP {status}"


def describe_redirect(location: str | None) -> str:
    """Return one line that names the host of a Location header and what to check; only a plain name is repeated."""
    try:
        host = urlsplit(location or "").hostname or "the same host"
    except ValueError:
        host = ""
    if not _PLAIN_HOST.fullmatch(host):
        host = "an unreadable address"
    return f"the address answered with a redirect to {host}: check api.region / api.base_url"


def one_line(text: str) -> str:
    """Make foreign text safe to show on a terminal: one line, without sequences and characters that control it."""
    spaced = " ".join(_ESCAPE_SEQUENCES.sub("", text).split())
    return " ".join("".join(sign for sign in spaced if unicodedata.category(sign) not in _UNSEEN).split())


def _error_texts(body: bytes) -> list[str]:
    try:
        meta = json.loads(body)["meta"]
        found = meta["errors"] if "errors" in meta else [meta["error"]]
    except (ValueError, LookupError, TypeError, RecursionError):
        return []
    return [text for text in found if isinstance(text, str)] if isinstance(found, list) else []
