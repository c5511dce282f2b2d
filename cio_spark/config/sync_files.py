"""Finds the sync files that a command is to work with, and the names of syncs that it is limited to."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cio_spark.config.environments import SUFFIXES
from cio_spark.errors import ConfigurationError, Problem


def find_sync_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name; a folder stands for the YAML files in it, by name, without its subfolders.

    Files whose names begin with a dot are left out of folders, as editors and systems make them. A file that several
    paths lead to is returned once.

    Args:
        paths: files and folders. A path that does not exist is returned as it is, for the loader to tell.

    Raises:
        ConfigurationError: a folder cannot be read, or has no YAML file; the error carries the problems of all folders.
    """
    files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        try:
            found = _files_in(path) if path.is_dir() else [path]
        except OSError as error:
            problems.append(Problem(str(path), f"cannot be read ({error.strerror})"))
            continue
        if not found:
            problems.append(Problem(str(path), "is a folder without a sync file (*.yml)"))
        files += found
    if problems:
        raise ConfigurationError(problems)
    by_place: dict[str, Path] = {}
    for file in files:
        by_place.setdefault(os.path.realpath(file), file)  # unlike Path.resolve, it does not raise on a loop of links
    return list(by_place.values())


def _files_in(folder: Path) -> list[Path]:
    """Return the sync files of a folder by name; links that lead nowhere too, for the loader to tell."""
    return sorted(
        item
        for item in folder.iterdir()
        if item.suffix.lower() in SUFFIXES
        and not item.name.startswith(".")
        and (item.is_file() or (item.is_symlink() and not item.exists()))
    )


def split_names(names: str) -> frozenset[str]:
    """Return the names in a text that has commas between them; blank ones are left out."""
    return frozenset(name.strip() for name in names.split(",")) - {""}
