"""Tests that the site has every page in its navigation, and that the copy for its builder is complete.

`make docs` builds the site; its builder ends with an error where a link leads nowhere.
"""

from __future__ import annotations

import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from doc_pages import PAGES, ROOT, name_of

DECISIONS = "docs/decisions/"


class Loader(yaml.SafeLoader):
    """Reads mkdocs.yml, in which tags name functions of the builder."""


Loader.add_multi_constructor("tag:yaml.org,2002:python/", lambda *_: None)
SITE: dict[str, Any] = yaml.load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"), Loader)


def pages_in(navigation: Any) -> Iterator[str]:
    """Yield the pages of the navigation in reading order."""
    if isinstance(navigation, str):
        yield navigation
    else:
        for part in navigation.values() if isinstance(navigation, dict) else navigation:
            yield from pages_in(part)


def test_every_page_is_in_the_navigation_once_and_the_decisions_are_behind_their_list() -> None:
    expected = [name for name in map(name_of, PAGES) if not name.startswith(DECISIONS)]
    assert sorted(pages_in(SITE["nav"])) == sorted([*expected, f"{DECISIONS}README.md"])


def test_the_copy_has_every_page_and_every_file_that_a_page_links_to(tmp_path: Path) -> None:
    copies = runpy.run_path(str(ROOT / "tools" / "site_pages.py"))["copy_pages"](tmp_path / "pages")
    names = {copy.relative_to(tmp_path / "pages").as_posix() for copy in copies}
    assert names >= set(map(name_of, PAGES))
    assert all((ROOT / name).read_bytes() == (tmp_path / "pages" / name).read_bytes() for name in names)


def test_what_is_built_is_no_part_of_the_project() -> None:
    ignored = (ROOT / ".gitignore").read_text(encoding="utf-8").split()
    assert "build/" in ignored
    assert {Path(SITE[key]).parts[0] for key in ("docs_dir", "site_dir")} == {"build"}
