"""Reads the fenced blocks of the pages, by page and language."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from doc_pages import PAGES, fences_of, headings_of, name_of


@dataclass(frozen=True)
class Block:
    """Is a fenced block of a page.

    Attributes:
        page: path of the page below the root of the project.
        line: line of the page on which the block opens, from 1.
        language: language behind the fence; empty if there is none.
        text: what is inside.
        heading: text of the nearest heading above.
    """

    page: str
    line: int
    language: str
    text: str
    heading: str

    def __str__(self) -> str:
        return f"{self.page}:{self.line}"


def blocks_of(page: Path) -> list[Block]:
    """Return the blocks of a page in order."""
    text = page.read_text(encoding="utf-8")
    headings = headings_of(text)
    return [
        Block(
            page=name_of(page),
            line=fence.line,
            language=fence.info.split(maxsplit=1)[0] if fence.info else "",
            text=fence.text,
            heading=next((heading.text for heading in reversed(headings) if heading.line < fence.line), ""),
        )
        for fence in fences_of(text)
    ]


BLOCKS = tuple(block for page in PAGES for block in blocks_of(page))


def blocks_in(*languages: str) -> list[Block]:
    """Return the blocks of all pages in one of these languages."""
    return [block for block in BLOCKS if block.language in languages]
