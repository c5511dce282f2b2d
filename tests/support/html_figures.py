"""Reads the HTML of a report: its tables by view, its figures by name, and its elements."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser


@dataclass
class Cell:
    """Holds one figure of a page: its name, its value to the last digit, and its text for people."""

    figure: str
    value: str
    text: str = ""


@dataclass
class Table:
    """Holds one table of a page."""

    view: str
    caption: str = ""
    headings: list[str] = field(default_factory=list)
    rows: list[list[Cell]] = field(default_factory=list)

    def values(self) -> list[dict[str, str]]:
        """Return the values of each row by the names of their figures."""
        return [{cell.figure: cell.value for cell in row} for row in self.rows if row]

    def texts(self) -> list[list[str]]:
        """Return the texts of each row as people see them."""
        return [[" ".join(cell.text.split()) for cell in row] for row in self.rows if row]


class Page(HTMLParser):
    """Parses a page into its tables, figures and elements."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tables: dict[str, Table] = {}
        self.figures: dict[str, str] = {}
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.text = ""
        self._open: list[str] = []
        self._table: Table | None = None
        self._cell: Cell | None = None
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.elements.append((tag, given))
        self._open.append(tag)
        if tag == "table":
            self._table = self.tables[given.get("data-view", "")] = Table(given.get("data-view", ""))
        elif self._table is not None and tag == "tr":
            self._table.rows.append([])
        elif self._table is not None and tag == "th" and given.get("scope") == "col":
            self._table.headings.append("")
        if "data-figure" in given:
            cell = Cell(given["data-figure"], given["data-value"])
            if self._table is None:
                self.figures[cell.figure] = cell.value
            else:
                self._cell = cell
                self._table.rows[-1].append(cell)

    def handle_endtag(self, tag: str) -> None:
        if tag in self._open:
            while self._open.pop() != tag:
                pass
        if tag == "td":
            self._cell = None
        elif tag == "table":
            self._table = None

    def handle_data(self, data: str) -> None:
        inside = self._open[-1] if self._open else ""
        if inside not in ("style", "script"):
            self.text += data
        if self._cell is not None:
            self._cell.text += data
        elif self._table is not None and inside == "caption":
            self._table.caption += data
        elif self._table is not None and inside == "th" and self._table.headings and len(self._table.rows) == 1:
            self._table.headings[-1] += data

    def all(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every element with this tag."""
        return [given for name, given in self.elements if name == tag]
