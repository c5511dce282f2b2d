"""Runs the demo: a grocer's purchases and households become Delta tables and are sent to the stand-in."""

from cio_spark.demo.tour import run_demo

__all__ = ["run_demo"]
