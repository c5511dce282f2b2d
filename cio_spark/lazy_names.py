"""Makes the public names of a package import their modules when they are first used."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any


def lazy_names(
    package: str, homes: Mapping[str, str], *, need_spark: Collection[str]
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return `__getattr__` and `__dir__` of a package whose names are imported when they are first used.

    Without pyspark, a name that needs it raises an error that says what to install. It is an `ImportError`, also for
    `hasattr`: the name exists, and False would hide what is missing. Such a name is not in `dir`, so that `help`, which
    asks for the value of everything in `dir`, works without pyspark.

    Args:
        package: name of the package.
        homes: the module that defines each name.
        need_spark: names whose modules import pyspark.
    """

    def get_name(name: str) -> Any:
        """Import a public name from the module that defines it.

        Raises:
            AttributeError: there is no such name.
            MissingLibraryError: the name needs a library that is not installed.
        """
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        try:
            home = import_module(homes[name])
        except ModuleNotFoundError as error:
            from cio_spark.extras import explain_missing_module  # not needed by any worker

            explained = explain_missing_module(error)
            if explained is error:
                raise
            raise explained from None
        return getattr(home, name)

    def list_names() -> list[str]:
        """Return what the package defines, and the public names that can be imported here."""
        hidden = need_spark if find_spec("pyspark") is None else ()
        return sorted({*vars(sys.modules[package]), *homes} - set(hidden))

    return get_name, list_names
