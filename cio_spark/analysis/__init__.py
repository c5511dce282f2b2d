"""Computes figures, bottlenecks and suggestions from past runs; only `reading` reads tables (needs Spark)."""

from cio_spark.analysis.bottlenecks import Bottleneck, find_bottlenecks
from cio_spark.analysis.measured import Measured, measured_of_row
from cio_spark.analysis.suggestion import Change, Suggestion, suggest

__all__ = [
    "Bottleneck",
    "Change",
    "Measured",
    "Suggestion",
    "find_bottlenecks",
    "measured_of_row",
    "suggest",
]
