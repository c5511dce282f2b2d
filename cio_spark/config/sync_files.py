"""Finds the sync files that a command is to work with, and picks syncs by name."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cio_spark.config.environments import SUFFIXES
from cio_spark.config.problems import nearest
from cio_spark.config.sync import SyncConfig
from cio_spark.errors import ConfigurationError, Problem


def find_sync_files(paths: Sequence[Path]) -> list[Path]:
    """Return the files that paths name; a folder stands for the YAML files in it, by name, without its subfolders.

    Args:
        paths: files and folders. A path that does not exist is returned as it is, for the loader to tell.

    Raises:
        ConfigurationError: a folder cannot be read, or has no YAML file; the error carries the problems of all folders.
    """
    files: list[Path] = []
    problems: list[Problem] = []
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        try:
            found = sorted(item for item in path.iterdir() if item.suffix in SUFFIXES and item.is_file())
        except OSError as error:
            problems.append(Problem(str(path), f"cannot be read ({error.strerror})"))
            continue
        if not found:
            problems.append(Problem(str(path), "is a folder without a sync file (*.yml)"))
        files += found
    if problems:
        raise ConfigurationError(problems)
    return files


def pick_syncs(configs: Sequence[SyncConfig], names: str) -> list[SyncConfig]:
    """Return the syncs of these names, in the order of the configurations.

    Args:
        configs: all configurations.
        names: names of syncs with commas between them; a blank text stands for all syncs.

    Raises:
        ConfigurationError: no sync has one of the names; the error lists the syncs that exist.
    """
    wanted = {name.strip() for name in names.split(",")} - {""}
    known = [config.sync.name for config in configs]
    unknown = sorted(wanted.difference(known))
    if unknown:
        raise ConfigurationError(
            [
                Problem(
                    "--only", f"there is no sync {name!r}{nearest(name, known) or ';'} available: {', '.join(known)}"
                )
                for name in unknown
            ]
        )
    return [config for config in configs if not wanted or config.sync.name in wanted]
