"""Remembers which stage evaluated a delivery first, so that no other stage sends its records again."""

from __future__ import annotations

import contextlib
from pathlib import Path

_first_stages: dict[str, int] = {}


def first_stage(delivery: str, stage: int, folder: Path) -> int:
    """Return the stage that evaluated a delivery first, as far as this process and its executor know.

    A retried task or stage keeps the id of its stage; a second evaluation, such as the sampling of a range shuffle, is
    another stage.

    Args:
        delivery: name of the delivery, a different one for every try of a wave.
        stage: id of the stage that asks.
        folder: folder that the worker processes of an executor share, and that disappears with the executor. The first
            stage is kept there as a symbolic link, the only thing that a file system makes and fills in one step.

    Returns:
        The id of the first stage; `stage` if no other one is known.
    """
    link = folder / f".cio_spark-{delivery}"
    # If a platform does not let Python write to the folder, this process knows only what it has seen itself
    with contextlib.suppress(OSError, ValueError):
        with contextlib.suppress(FileExistsError):
            link.symlink_to(str(stage))
        return int(str(link.readlink()))
    return _first_stages.setdefault(delivery, stage)
