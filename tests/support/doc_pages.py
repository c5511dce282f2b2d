"""Finds the pages for readers, with their headings, anchors and links."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
AT_THE_ROOT = ("README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md")
PAGES = (*(ROOT / name for name in AT_THE_ROOT), *sorted((ROOT / "docs").rglob("*.md")))

_FENCE = re.compile(r"^( *)(`{3,}|~{3,})(.*)$")
_HEADING = re.compile(r"^(#{1,6}) +(.*?)(?: +#+)?$", re.MULTILINE)
_LINK = re.compile(r"\[(?:[^\[\]]|\[[^\[\]]*\])*\]\(([^()\s]+)\)")


class Heading(NamedTuple):
    """Is a heading of a page: its level, from 1, its text as it is written, and the line it is on, from 1."""

    level: int
    text: str
    line: int


class Fence(NamedTuple):
    """Is a fenced block of a page: the line of its opening, from 1, what stands behind the fence, and its text."""

    line: int
    info: str
    text: str


def name_of(page: Path) -> str:
    """Return a page's path below the root of the project, such as `docs/scope.md`."""
    return page.relative_to(ROOT).as_posix()


def fences_of(text: str) -> Iterator[Fence]:
    """Yield the fenced blocks of a page; a block without an end goes to the end of the page.

    Args:
        text: text of the page.
    """
    lines = text.splitlines()
    number = 0
    while number < len(lines):
        opened = _FENCE.match(lines[number])
        number += 1
        if opened is None:
            continue
        indent, fence, info = opened.groups()
        first = number
        while number < len(lines) and not re.fullmatch(rf" *{re.escape(fence)}+ *", lines[number]):
            number += 1
        inside = (line[len(indent) :] if line.startswith(indent) else line.lstrip() for line in lines[first:number])
        yield Fence(first, info.strip(), "\n".join(inside) + "\n")
        number += 1


def without_code(text: str) -> str:
    """Return the text of a page with blank lines in place of its fenced blocks, so that lines keep their numbers."""
    lines = text.splitlines()
    for fence in fences_of(text):
        length = len(fence.text.splitlines()) + 2
        lines[fence.line - 1 : fence.line - 1 + length] = [""] * length
    return "\n".join(lines)


def headings_of(text: str) -> list[Heading]:
    """Return the headings of a page in order.

    Args:
        text: text of the page.
    """
    plain = without_code(text)
    return [
        Heading(len(found[1]), found[2], plain.count("\n", 0, found.start()) + 1) for found in _HEADING.finditer(plain)
    ]


def anchor_of(heading: str) -> str:
    """Return the anchor that GitHub, and the site with the same rule, give to a heading."""
    shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    kept = re.sub(r"[^\w\- ]", "", shown.replace("`", "").lower())
    return kept.replace(" ", "-")


def anchors_of(text: str) -> set[str]:
    """Return the anchors of a page; the second heading of one text gets `-1` at its end, and so on.

    Args:
        text: text of the page.
    """
    seen: Counter[str] = Counter()
    anchors = set()
    for heading in headings_of(text):
        anchor = anchor_of(heading.text)
        anchors.add(f"{anchor}-{seen[anchor]}" if seen[anchor] else anchor)
        seen[anchor] += 1
    return anchors


def links_of(text: str) -> list[str]:
    """Return the targets of a page's links, without those in code.

    Args:
        text: text of the page.
    """
    return _LINK.findall(re.sub(r"`[^`\n]*`", "", without_code(text)))


def sections_of(text: str, level: int) -> dict[str, str]:
    """Return what stands below each heading of a level, by the heading's text.

    Args:
        text: text of the page.
        level: the level; a heading of the same or a higher level ends a section.
    """
    lines, headings = text.splitlines(), headings_of(text)
    sections = {}
    for number, heading in enumerate(headings):
        if heading.level == level:
            after = (other.line for other in headings[number + 1 :] if other.level <= level)
            sections[heading.text] = "\n".join(lines[heading.line : next(after, len(lines) + 1) - 1])
    return sections
