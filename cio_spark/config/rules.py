"""Rules across several fields of a section: functions from what was written to problems.

They look only at plain mappings, so that the loader can apply them to a section that has other problems too, and all
problems come out together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from cio_spark.config.addresses import CLEAR_TEXT, crosses_network_in_clear_text
from cio_spark.errors import Problem

RULES_ERROR = "rules"
MISSING = "is missing"
"""How every message begins that asks for something not written."""


def raise_problems(problems: list[Problem]) -> None:
    """Make pydantic report these problems, their paths relative to the section being validated."""
    if problems:
        text = "; ".join(map(str, problems))
        raise PydanticCustomError(RULES_ERROR, "{text}", {"text": text, "problems": problems})


def given(section: Mapping[str, Any], name: str) -> bool:
    """Whether the section says something about this field (null says nothing)."""
    return section.get(name) is not None


def source_problems(section: Mapping[str, Any]) -> list[Problem]:
    """A source is exactly one of a table, a path and a query."""
    named = [name for name in ("table", "path", "query") if given(section, name)]
    if len(named) == 1:
        return []
    if not named:
        return [Problem("", f"{MISSING} its rows: name one of table, path or query")]
    return [
        Problem(
            "",
            f"has {' and '.join(named)}, but takes only one of table, path and query; "
            "an environment or --set that replaces one by another sets the first to null",
        )
    ]


def api_problems(section: Mapping[str, Any]) -> list[Problem]:
    """Refuse an address that takes the key over a network in clear text, unless that is wanted."""
    url = section.get("base_url")
    if section.get("insecure") or not isinstance(url, str) or not crosses_network_in_clear_text(url):
        return []
    return [Problem("base_url", CLEAR_TEXT.format(insecure="api.insecure: true"))]
