"""Reads the dashboard of the bundle: the queries of its datasets, and the columns that its widgets need of them."""

from __future__ import annotations

import json
import re
from typing import Any

from bundle import ROOT

COLUMNS_OF_A_PAGE = 6


def dashboard() -> dict[str, Any]:
    """Read the dashboard."""
    found: dict[str, Any] = json.loads((ROOT / "dashboards" / "overview.lvdash.json").read_text(encoding="utf-8"))
    return found


def dataset_queries() -> dict[str, str]:
    """Return the SQL of each dataset by its name."""
    return {dataset["name"]: "".join(dataset["queryLines"]) for dataset in dashboard()["datasets"]}


def widget_fields(widget: dict[str, Any]) -> dict[str, list[str]]:
    """Return the expressions that a widget asks for, by the dataset of which it does."""
    return {
        query["query"]["datasetName"]: [field["expression"] for field in query["query"]["fields"]]
        for query in widget["queries"]
    }


def columns_needed() -> dict[str, set[str]]:
    """Return the columns that widgets need, by dataset."""
    needed: dict[str, set[str]] = {}
    for item in dashboard()["pages"][0]["layout"]:
        for name, expressions in widget_fields(item["widget"]).items():
            needed.setdefault(name, set()).update(re.findall(r"`(\w+)`", " ".join(expressions)))
    return needed


def encoded_fields(widget: dict[str, Any]) -> set[str]:
    """Return the names of the fields that a widget shows."""
    shown: set[str] = set()
    waiting = [widget["spec"]["encodings"]]
    while waiting:
        value = waiting.pop()
        if isinstance(value, dict):
            shown |= {value["fieldName"]} if "fieldName" in value else set()
            waiting += value.values()
        elif isinstance(value, list):
            waiting += value
    return shown
