"""Copy the pages, and every other file of the project that they link to, into a folder for the builder of the site.

README.md links to docs/, and pages of docs/ link to CHANGELOG.md: in the copy both are in one folder, as the builder
asks, and no link has to be rewritten.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
AT_THE_ROOT = ("README.md", "CHANGELOG.md", "CONTRIBUTING.md", "SECURITY.md")
_LINK = re.compile(r"\]\(([^()\s#:]+)(?:#[^()\s]*)?\)")


def pages() -> list[Path]:
    """Return the files of all pages."""
    return [*(ROOT / name for name in AT_THE_ROOT), *sorted((ROOT / "docs").rglob("*.md"))]


def files_linked_by(page: Path) -> set[Path]:
    """Return the files of the project to which a page links."""
    targets = {(page.parent / link).resolve() for link in _LINK.findall(page.read_text(encoding="utf-8"))}
    return {target for target in targets if target.is_file() and target.is_relative_to(ROOT)}


def copy_pages(folder: Path) -> list[Path]:
    """Copy pages and linked files into a folder, which is made anew, and return the copies."""
    shutil.rmtree(folder, ignore_errors=True)
    found = set(pages()).union(*map(files_linked_by, pages()))
    copies = []
    for file in sorted(found):
        copy = folder / file.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(file, copy)
        copies.append(copy)
    return copies


if __name__ == "__main__":
    copy_pages(Path(sys.argv[1]))
