"""Job: show the last runs. Same arguments as `cio-spark status`; for spark-submit and Databricks."""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("status")
