"""Hides libraries from a Python process, as if they were not installed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

SPARK = ("pyspark", "py4j", "delta", "pandas")
"""What the extra `spark` installs, under the names of imports."""


class _HidingFinder:
    """Finds what another finder finds, without the hidden libraries."""

    def __init__(self, finder: Any, hidden: frozenset[str]) -> None:
        self._finder = finder
        self._hidden = hidden

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a module is; None if it is hidden."""
        if name.partition(".")[0] in self._hidden:
            return None
        found: ModuleSpec | None = self._finder.find_spec(name, path, target)
        return found


def hide(*libraries: str) -> None:
    """Hide libraries that this process has not imported yet; an import fails with Python's own error.

    Args:
        libraries: names under which they are imported.
    """
    hidden = frozenset(libraries)
    assert not hidden & {name.partition(".")[0] for name in sys.modules}
    sys.meta_path[:] = [_HidingFinder(finder, hidden) for finder in sys.meta_path]
