"""Connects all stages to one run; `run` calls them from top to bottom in the order of the data.

Names are imported when they are first used: the command line shows the progress of a run, and needs this folder even
where pyspark is not installed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cio_spark.lazy_names import lazy_names

if TYPE_CHECKING:
    from cio_spark.pipeline.preview import preview_sync
    from cio_spark.pipeline.replay import replay_sync
    from cio_spark.pipeline.run import run_sync

_HOMES = {
    "preview_sync": "cio_spark.pipeline.preview",
    "replay_sync": "cio_spark.pipeline.replay",
    "run_sync": "cio_spark.pipeline.run",
}

__all__ = ["preview_sync", "replay_sync", "run_sync"]

if not TYPE_CHECKING:  # as in cio_spark/__init__.py
    __getattr__, __dir__ = lazy_names(__name__, _HOMES, need_spark=__all__)
