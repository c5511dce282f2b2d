"""Runs a sync in an application in which another Spark job occupies one task slot until the sync has ended."""

from __future__ import annotations

import threading
import time

from pyspark.sql import SparkSession

from cio_spark.cli import run_job


def main() -> None:
    """Occupy one task slot, then run the sync of the command line."""
    context = SparkSession.builder.getOrCreate().sparkContext
    held = context.parallelize([0], 1)
    threading.Thread(target=lambda: held.foreach(lambda _: time.sleep(600)), daemon=True).start()
    while not context.statusTracker().getActiveStageIds():
        time.sleep(0.1)
    run_job("sync")


if __name__ == "__main__":
    main()
