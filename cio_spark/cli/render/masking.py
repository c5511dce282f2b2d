"""Masks payloads so that people can see their structure but not their values."""

from __future__ import annotations

import json
from typing import Any

# Top-level members whose values are shown: they are no data of a person
_SHOWN = frozenset({"type", "event", "messageId"})


def mask_payload(payload: str) -> str:
    """Return a payload as indented JSON in which each value is replaced by its kind and, for texts, its length.

    `type`, `event` and `messageId` keep their values. An array shows its first three values.

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
