"""Makes the demo's table of purchases on a cluster; `cluster_demo.py` submits this script with `spark-submit`."""

from __future__ import annotations

import sys
from pathlib import Path

from pyspark.sql import SparkSession

from cio_spark.demo.data import prepare_demo_tables

if __name__ == "__main__":
    prepare_demo_tables(SparkSession.builder.getOrCreate(), Path(sys.argv[1]), ["purchases"])
