"""The prototype notebook's batch names, on top of the real delivery; the one that needs Spark is in `large_dataset`."""

from cio_spark.batches.error_handler import BatchErrorHandler
from cio_spark.batches.intelligent import create_intelligent_batches
from cio_spark.batches.job import BatchJob
from cio_spark.batches.metrics import BatchMetrics
from cio_spark.batches.processor import ParallelBatchProcessor

__all__ = ["BatchErrorHandler", "BatchJob", "BatchMetrics", "ParallelBatchProcessor", "create_intelligent_batches"]
