"""Tests that docs/runbook.md has a section for every exit status and alert of the code, and for no other."""

from __future__ import annotations

import ast
import re
from datetime import datetime, timezone
from functools import cache

import pytest
import yaml
from doc_pages import ROOT, sections_of

from cio_spark.config import SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.monitoring import Observed
from cio_spark.monitoring.alert_rules import Judgement, judge_sync

PARTS = ("You see", "Why", "Do")
PAGE = (ROOT / "docs" / "runbook.md").read_text(encoding="utf-8")
CHAPTERS = sections_of(PAGE, 2)
STATUSES = sections_of(CHAPTERS["Exit statuses"], 3)
ALERTS = sections_of(CHAPTERS["Alerts"], 3)


def judgements() -> dict[str, Judgement]:
    """Return what every rule says about a sync of which nothing is known, by the alert's type."""
    written = yaml.safe_load((ROOT / "conf" / "syncs" / "orders.yml").read_text(encoding="utf-8"))
    now = datetime(2026, 1, 31, tzinfo=timezone.utc)
    return {found.type: found for found in judge_sync(Observed(now, now), SyncConfig.model_validate(written))}


@cache
def texts_of_the_code() -> set[str]:
    """Return every text constant of the package; of a text with values in it, each part between them."""
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in (ROOT / "cio_spark").rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, ast.Constant)]
    return {node.value for node in nodes if isinstance(node.value, str)}


def part(section: str, name: str) -> str:
    """Return what a section says behind one of the words of `PARTS`."""
    return section.split(f"**{name}:**")[1].split("\n**")[0].strip()


def test_every_exit_status_has_a_section_in_order_and_no_other_has_one() -> None:
    assert list(STATUSES) == [f"Exit status {int(status)}" for status in sorted(ExitStatus)]


def test_every_alert_has_a_section_in_the_order_of_the_monitoring_page_and_no_other_has_one() -> None:
    monitoring = (ROOT / "docs" / "monitoring.md").read_text(encoding="utf-8")
    assert list(ALERTS) == [
        f"`{name}`" for name in re.findall(r"^\| `(\w+)` \| (?:critical|warning)", monitoring, re.M)
    ]
    assert {name.strip("`") for name in ALERTS} == set(judgements())


@pytest.mark.parametrize("section", [*STATUSES.values(), *ALERTS.values()], ids=[*STATUSES, *ALERTS])
def test_a_section_says_what_is_seen_why_and_what_to_do(section: str) -> None:
    assert re.findall(r"^\*\*(.+):\*\*", section, re.MULTILINE) == list(PARTS)
    assert all(part(section, name) for name in PARTS)


@pytest.mark.parametrize("section", STATUSES.values(), ids=STATUSES)
def test_the_sentences_that_are_seen_are_sentences_of_the_code(section: str) -> None:
    said = [phrase for phrase in re.findall(r"`([^`\n]+)`", part(section, "You see")) if " " in phrase]
    sentences = [phrase for phrase in said if not phrase.startswith("cio-spark ")]
    assert [phrase for phrase in sentences if not any(phrase in text for text in texts_of_the_code())] == []


@pytest.mark.parametrize("name", ALERTS)
def test_a_section_gives_the_severity_of_its_alert(name: str) -> None:
    assert part(ALERTS[name], "You see").startswith(judgements()[name.strip("`")].severity)
