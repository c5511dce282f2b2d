"""The `cio-spark` command, and what it draws on a terminal."""

from cio_spark.cli.app import app, main, run_job

__all__ = ["app", "main", "run_job"]
