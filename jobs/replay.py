"""Job: send dead letters again. Same arguments as `cio-spark replay`; for spark-submit and Databricks."""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("replay")
