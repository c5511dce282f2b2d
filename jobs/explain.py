"""Runs `cio-spark explain`, which shows what is known about one record or person, as a job on a cluster.

It takes the same arguments as the command.
"""

from cio_spark.cli import run_job

if __name__ == "__main__":
    run_job("explain")
