"""Tests that docs/logging.md and the code have the same events, fields and levels."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cio_spark.logs.events import BINDINGS, FIELDS, LEVELS, Event

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "logging.md").read_text(encoding="utf-8")
SECTIONS = {
    section.splitlines()[0].strip("`"): re.split(r"^## ", section, flags=re.MULTILINE)[0]
    for section in re.split(r"^### ", PAGE, flags=re.MULTILINE)[1:]
}
CODE = "\n".join(file.read_text(encoding="utf-8") for file in sorted((ROOT / "cio_spark").rglob("*.py")))
# The code decides the level of these events from case to case
DECIDED = {Event.RUN_ENDED, Event.ALERT_OPENED}


def fields_of(text: str) -> list[str]:
    return re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)


def test_the_page_has_every_event_and_no_other() -> None:
    assert list(SECTIONS) == [event.value for event in Event]


@pytest.mark.parametrize("event", Event)
def test_the_page_has_every_field_of_an_event_in_order_with_a_meaning_and_no_other(event: Event) -> None:
    section = SECTIONS[event.value]
    assert tuple(fields_of(section)) == FIELDS[event]
    assert re.findall(r"^\| `\w+` \| *\|", section, re.MULTILINE) == []


@pytest.mark.parametrize("event", [event for event in Event if event not in DECIDED])
def test_the_page_has_the_level_of_an_event(event: Event) -> None:
    said = re.match(r".*\n(Error|Warning)?", SECTIONS[event.value])
    assert said is not None
    assert (said[1] or "info").lower() == LEVELS.get(event, "info")


def test_the_page_has_what_is_on_every_line() -> None:
    part = PAGE.split("## Every line")[1].split("\n## ")[0]
    assert fields_of(part) == ["timestamp", "level", "event", *BINDINGS]


@pytest.mark.parametrize("event", Event)
def test_every_event_is_written_somewhere(event: Event) -> None:
    places = [file for file in (ROOT / "cio_spark").rglob("*.py") if file.name != "events.py"]
    assert any(f"Event.{event.name}" in file.read_text(encoding="utf-8") for file in places)


def test_the_page_has_the_events_of_jobs_in_memory_and_no_other() -> None:
    part = PAGE.split("## Jobs in memory")[1]
    listed = set(
        re.findall(r"`(\w+)`", " ".join(line.split("|")[1] for line in part.splitlines() if line.startswith("| `")))
    )
    written = {
        name
        for file in (ROOT / "cio_spark" / folder for folder in ("notebook", "delivery"))
        for path in sorted(file.rglob("*.py"))
        for name in re.findall(r'"((?:job|batch|dataset|customerio_batch)_[a-z]+)"', path.read_text(encoding="utf-8"))
    }
    assert listed <= written
    assert listed == {name for name in written if name in listed or name.startswith(("dataset_", "customerio_batch_"))}


def test_no_name_of_an_event_is_spelt_out_in_the_code() -> None:
    spelt = [event.value for event in Event if CODE.count(f'"{event.value}"') != 1]
    assert spelt == []


def test_only_the_command_line_configures_structlog() -> None:
    configuring = [
        file.name
        for file in (ROOT / "cio_spark").rglob("*.py")
        if re.search(r"structlog\.(configure|reset_defaults)|logging\.(basicConfig|config)", file.read_text())
    ]
    assert configuring == ["command_line.py"]
