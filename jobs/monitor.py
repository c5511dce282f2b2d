"""Job: evaluate alerts. Same arguments as `cio-spark monitor`; for spark-submit and Databricks."""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("monitor")
