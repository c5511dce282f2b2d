"""Job: run syncs. Same arguments as `cio-spark sync`; for spark-submit and Databricks `spark_python_task`."""

import sys

from cio_spark.cli import app

if __name__ == "__main__":
    app(["sync", *sys.argv[1:]])
