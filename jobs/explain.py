"""Job: show what is known about one record or person. Same arguments as `cio-spark explain`; for clusters."""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("explain")
