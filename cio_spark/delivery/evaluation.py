"""Remembers which stage evaluated a delivery first, so that no other stage sends its records again."""

from __future__ import annotations

import contextlib
from pathlib import Path

_first_stages: dict[str, int] = {}


def first_stage(delivery: str, stage: int, folder: Path) -> int:
    """The stage that evaluated a delivery first, as far as this process and its executor know.

    A retry of a task or of a stage has the id of its stage; a second evaluation, such as the sampling of a range
    shuffle, is another stage.

    Args:
        delivery: a name of its own for every try of a wave.
        stage: id of the stage that asks.
        folder: shared by the worker processes of an executor, gone with it; what was first is kept there as a link, the
            one thing a file system makes and fills in one step.

    Returns:
        `stage` where no other one is known.
    """
    link = folder / f".cio_spark-{delivery}"
    # Where a platform closes the folder to Python, this process knows what it has seen itself
    with contextlib.suppress(OSError, ValueError):
        with contextlib.suppress(FileExistsError):
            link.symlink_to(str(stage))
        return int(str(link.readlink()))
    return _first_stages.setdefault(delivery, stage)
