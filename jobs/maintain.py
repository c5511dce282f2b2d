"""Job: keep the tables small. Same arguments as `cio-spark maintain`; for spark-submit and Databricks."""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("maintain")
