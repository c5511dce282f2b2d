"""Connects all stages to one run; `run` calls them from top to bottom in the order of the data."""

from cio_spark.pipeline.preview import preview_sync
from cio_spark.pipeline.replay import replay_sync
from cio_spark.pipeline.run import run_sync

__all__ = ["preview_sync", "replay_sync", "run_sync"]
