"""The straight line, the one place that knows all the stages; `run` reads from top to bottom like it."""

from cio_spark.pipeline.preview import preview_sync
from cio_spark.pipeline.replay import replay_sync
from cio_spark.pipeline.run import run_sync

__all__ = ["preview_sync", "replay_sync", "run_sync"]
