"""Print the installed versions of this Python's libraries, as a constraints file for pip."""

from __future__ import annotations

import re
import sys
from importlib.metadata import distributions

from packaging.specifiers import SpecifierSet

# `make test-versions` installs other versions of Spark with what each of them needs. The project itself and pip are
# no libraries of the tests
LEFT_OUT = frozenset({"cio-spark", "delta-spark", "pip", "py4j", "pyspark", "setuptools", "wheel"})
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HEADER = """\
# Versions that the tests pass with; `make` installs them. `make constraints` writes this file anew (CONTRIBUTING.md).
# pyspark, delta-spark and py4j are left out: they differ between the versions of Spark.
# Where a version needs a newer Python than 3.10, pip chooses another version on the older ones.
"""


def constraint(name: str, version: str, needs_python: str) -> str:
    """Return the line of one library, with a marker if it does not run on every Python of the tests."""
    allowed = SpecifierSet(needs_python)
    # A micro version as high as any, because some libraries leave out the first ones (>=3.9.1)
    oldest = next(python for python in PYTHONS if allowed.contains(f"{python}.99"))
    marker = "" if oldest == PYTHONS[0] else f"; python_version >= '{oldest}'"
    return f"{name}=={version}{marker}\n"


def main() -> None:
    """Print the header and one line for each library."""
    found = {
        re.sub(r"[-_.]+", "-", library.name).lower(): (
            library.version,
            ",".join(library.metadata.get_all("Requires-Python", [])),
        )
        for library in distributions()
    }
    lines = [constraint(name, *found[name]) for name in sorted(found) if name not in LEFT_OUT]
    sys.stdout.write(HEADER + "".join(lines))


if __name__ == "__main__":
    main()
