"""Provides a stand-in for Customer.io's Data Pipelines API: a real HTTP server that obeys the API's contract."""

from cio_spark.standin.faults import Fault
from cio_spark.standin.server import StandIn
from cio_spark.standin.serving import serve

__all__ = ["Fault", "StandIn", "serve"]
