"""Runs commands on a Spark Connect session, as serverless compute has it; a process of its own, for tests.

Its arguments are one command each, as JSON lists; after each it says `exit status: N`.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from pyspark.sql import SparkSession
from typer.testing import CliRunner

from cio_spark.cli import app
from cio_spark.local_jars import delta_jars


def open_session(folder: Path) -> None:
    """A Connect server in this process, and the session that commands will find."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "cio-spark"
    builder = SparkSession.builder.remote("local[2]")
    for key, value in {
        "spark.jars": ",".join(delta_jars(cache, folder / "jars.log")),
        "spark.sql.extensions": "io.delta.sql.DeltaSparkSessionExtension",
        "spark.sql.catalog.spark_catalog": "org.apache.spark.sql.delta.catalog.DeltaCatalog",
        "spark.sql.session.timeZone": "UTC",
        "spark.sql.shuffle.partitions": "2",
        "spark.databricks.delta.snapshotPartitions": "1",
        "spark.ui.enabled": "false",
        "spark.driver.host": "127.0.0.1",
    }.items():
        builder = builder.config(key, value)
    builder.getOrCreate()


if __name__ == "__main__":
    os.environ["PYSPARK_PYTHON"] = sys.executable
    open_session(Path(sys.argv[1]))
    os.environ["DATABRICKS_RUNTIME_VERSION"] = "client.4"
    for command in sys.argv[2:]:
        result = CliRunner().invoke(app, json.loads(command))
        sys.stdout.write(f"{result.output}\nexit status: {result.exit_code}\n")
        sys.stdout.flush()
