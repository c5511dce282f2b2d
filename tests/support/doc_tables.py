"""Reads the tables of the pages."""

from __future__ import annotations


def table_below(text: str, first_column: str) -> list[dict[str, str]]:
    """Return the rows of the first table of a page whose first column has this name, by the names of the columns.

    Args:
        text: text of the page.
        first_column: name of the first column.

    Raises:
        ValueError: there is no such table.
    """
    lines = text.splitlines()
    start = next((number for number, line in enumerate(lines) if line.startswith(f"| {first_column} |")), None)
    if start is None:
        raise ValueError(f"there is no table whose first column is {first_column}")
    names = _cells(lines[start])
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append(dict(zip(names, _cells(line), strict=True)))
    return rows


def _cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]
