"""Runs `cio-spark maintain`, which keeps the tables small, as a job of spark-submit or Databricks.

It takes the same arguments as the command.
"""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("maintain")
