"""Job: write the HTML report of a sync. Same arguments as `cio-spark report`; for spark-submit and Databricks."""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("report")
