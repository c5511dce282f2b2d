"""Keeps the prototype notebook's names on top of the package's real parts.

`process_large_dataset_with_spark` needs Spark, so it is not imported here: it is in `notebook.large_dataset`.
"""

from cio_spark.notebook.analyzer import BatchPerformanceAnalyzer
from cio_spark.notebook.batch_monitor import BatchMonitor
from cio_spark.notebook.customerio_client import CustomerIOClient
from cio_spark.notebook.error_handler import BatchErrorHandler
from cio_spark.notebook.intelligent import create_intelligent_batches
from cio_spark.notebook.job import BatchJob
from cio_spark.notebook.metrics import BatchMetrics
from cio_spark.notebook.processor import ParallelBatchProcessor

__all__ = [
    "BatchErrorHandler",
    "BatchJob",
    "BatchMetrics",
    "BatchMonitor",
    "BatchPerformanceAnalyzer",
    "CustomerIOClient",
    "ParallelBatchProcessor",
    "create_intelligent_batches",
]
