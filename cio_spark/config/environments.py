"""Finds the file of an environment."""

from __future__ import annotations

import re
from pathlib import Path

from cio_spark.config.base import NAME_PATTERN
from cio_spark.config.layers import Layer, read_layer
from cio_spark.config.problems import nearest
from cio_spark.errors import Problem

SUFFIXES = (".yml", ".yaml")


def read_environment(name: str, sync_file: Path, conf_dir: Path | None) -> Layer:
    """Read the environment file with the given name.

    Args:
        name: name of the environment, without suffix.
        sync_file: the sync file; the folder `environments` beside the sync file's folder is searched.
        conf_dir: configuration folder whose subfolder `environments` is searched first.

    Returns:
        The layer. An unknown name becomes a problem in it, which lists the environments that exist.
    """
    folders = _folders(sync_file, conf_dir)
    if re.fullmatch(NAME_PATTERN, name):
        for folder in folders:
            for suffix in SUFFIXES:
                if (path := folder / f"{name}{suffix}").is_file():
                    return read_layer(path, may_be_empty=True)
    available = sorted({item.stem for folder in folders for item in _files(folder)})
    known = f"{nearest(name, available) or ';'} available: {', '.join(available)}"
    searched = f"; searched in {', '.join(map(str, folders))}"
    message = f"there is no environment {name!r}{known if available else searched}"
    return Layer("--environment", unreadable=[Problem("--environment", message)])


def _folders(sync_file: Path, conf_dir: Path | None) -> list[Path]:
    folders = [conf_dir / "environments"] if conf_dir else []
    folders += [sync_file.absolute().parent.parent / "environments", Path("conf") / "environments"]
    return [
        folder
        for index, folder in enumerate(folders)
        if folder.absolute() not in [earlier.absolute() for earlier in folders[:index]]
    ]


def _files(folder: Path) -> list[Path]:
    try:
        return [item for item in folder.iterdir() if item.suffix in SUFFIXES]
    except OSError:
        return []
