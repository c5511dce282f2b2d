"""Payloads for people's eyes: the shape stays, the values go."""

from __future__ import annotations

import json
from typing import Any

# The API's own words, not the person's data
_SHOWN = frozenset({"type", "event", "messageId"})


def mask_payload(payload: str) -> str:
    """A payload as indented JSON in which every value is replaced by its kind and length.

    Args:
        payload: JSON text of one call.
    """
    value = json.loads(payload)
    masked = {key: item if key in _SHOWN else _masked(item) for key, item in value.items()}
    return json.dumps(masked, indent=2, ensure_ascii=False)


def _masked(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _masked(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_masked(item) for item in value[:3]] + (["…"] if len(value) > 3 else [])
    if isinstance(value, bool):
        return "<boolean>"
    if isinstance(value, str):
        return f"<text, {len(value)} characters>"
    return "<null>" if value is None else "<number>"
