"""Checks the rules that concern several fields of a section, and returns the problems that they find.

The functions need only plain mappings. So the loader can apply them to a section that has other problems too, and all
problems are reported together.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic_core import PydanticCustomError

from cio_spark.config.addresses import CLEAR_TEXT, crosses_network_in_clear_text
from cio_spark.config.api_limits import MAX_ITEM_BYTES
from cio_spark.config.memory_budget import BYTES_PER_MB, LEAST_BYTES_PER_LANE
from cio_spark.errors import Problem

RULES_ERROR = "rules"
MISSING = "is missing"
"""First words of every message about a value that is not there."""


def raise_problems(problems: list[Problem]) -> None:
    """Raise these problems as one pydantic error; their paths are relative to the section that is validated."""
    if problems:
        text = "; ".join(map(str, problems))
        raise PydanticCustomError(RULES_ERROR, "{text}", {"text": text, "problems": problems})


def given(section: Mapping[str, Any], name: str) -> bool:
    """Tell whether the section has a value for this field; null is no value."""
    return section.get(name) is not None


def source_problems(section: Mapping[str, Any]) -> list[Problem]:
    """Return a problem unless a source names exactly one of table, path and query."""
    named = [name for name in ("table", "path", "query") if given(section, name)]
    if len(named) == 1:
        if "query" in named and section.get("changes") == "required":
            return [Problem("changes", "is required, but a query has no change feed: use auto, or a table")]
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


def batch_problems(section: Mapping[str, Any], defaults: Mapping[str, Any]) -> list[Problem]:
    """Return a problem if the batch strategy cannot work with its settings.

    Args:
        section: the section `batch` as written.
        defaults: values of the fields that the section does not name.
    """
    said = {**defaults, **{name: value for name, value in section.items() if value is not None}}
    budget, workers, target = said["memory_budget_mb"], said["parallel_workers"], said["target_request_seconds"]
    timeout, strategy = said["timeout_seconds"], str(said["strategy"])
    if not all(isinstance(value, (int, float)) for value in (budget, workers, target, timeout)):
        return []  # pydantic reports each of these fields
    if strategy == "memory_based" and budget * BYTES_PER_MB < LEAST_BYTES_PER_LANE * workers:
        least = -(-LEAST_BYTES_PER_LANE * workers // BYTES_PER_MB)
        return [
            Problem(
                "memory_budget_mb",
                f"is {budget}, too little for {workers} parallel_workers that may each hold requests of one record of "
                f"{MAX_ITEM_BYTES:,} bytes: set it to at least {least}, or lower parallel_workers",
            )
        ]
    if strategy == "time_based" and target >= timeout:
        return [
            Problem(
                "target_request_seconds",
                f"is {target:g}, not less than timeout_seconds ({timeout}), after which a request is given up: lower "
                "it, or raise timeout_seconds",
            )
        ]
    return []


def api_problems(section: Mapping[str, Any]) -> list[Problem]:
    """Return a problem if the key would cross a network in clear text, unless `insecure` allows it."""
    url = section.get("base_url")
    if section.get("insecure") or not isinstance(url, str) or not crosses_network_in_clear_text(url):
        return []
    return [Problem("base_url", CLEAR_TEXT.format(insecure="api.insecure: true"))]
