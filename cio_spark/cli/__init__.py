"""Holds the `cio-spark` command and the code that draws on a terminal."""

from cio_spark.cli.app import app, main, run_job

__all__ = ["app", "main", "run_job"]
