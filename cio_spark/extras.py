"""Knows which extra of this package brings a library that is not always installed."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from types import MappingProxyType
from typing import Final

from cio_spark.errors import MissingLibraryError, Problem

EXTRAS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "delta": "spark",
        "pandas": "spark",
        "py4j": "spark",
        "pyspark": "spark",
        "jinja2": "report",
        "markupsafe": "report",
        "matplotlib": "report",
    }
)
"""The extra that brings each library; a library has the name under which it is imported."""
_DISTRIBUTIONS: Final = {"delta": "delta-spark"}


def require_libraries(*libraries: str) -> None:
    """Import libraries, so that the first one that is not installed gets a sentence.

    Args:
        libraries: names under which they are imported.

    Raises:
        MissingLibraryError: one of them is not installed.
    """
    for library in libraries:
        try:
            import_module(library)
        except ModuleNotFoundError as error:
            raise explain_missing_module(error) from None


def explain_missing_module(error: ModuleNotFoundError) -> ModuleNotFoundError:
    """Return the error that says which extra to install, or the same error if no extra brings the module.

    Args:
        error: error of an import.
    """
    library = (error.name or "").partition(".")[0]
    if library not in EXTRAS:
        return error
    distribution = _DISTRIBUTIONS.get(library, library)
    problem = Problem(distribution, f"is not installed: pip install 'cio-spark[{EXTRAS[library]}]'")
    return MissingLibraryError([problem])
