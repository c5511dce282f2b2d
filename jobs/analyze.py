"""Job: show how a sync performs. Same arguments as `cio-spark analyze`; for spark-submit and Databricks."""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("analyze")
