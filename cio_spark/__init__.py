"""Sends rows of Delta tables to Customer.io with Spark, and keeps in Delta what became of every row.

Names are imported when they are first used: every Python worker of a cluster imports this package and needs only a
small part of it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from cio_spark.lazy_names import lazy_names

if TYPE_CHECKING:
    from cio_spark.config import (
        BatchConfiguration,
        BatchStatus,
        BatchStrategy,
        ErrorHandlingStrategy,
        ProcessingPriority,
        load_config,
    )
    from cio_spark.errors import CustomerIOError, NetworkError, RateLimitError, ValidationError
    from cio_spark.model import SyncResult
    from cio_spark.notebook import (
        BatchErrorHandler,
        BatchJob,
        BatchMetrics,
        BatchMonitor,
        BatchPerformanceAnalyzer,
        CustomerIOClient,
        ParallelBatchProcessor,
        create_intelligent_batches,
    )
    from cio_spark.notebook.large_dataset import process_large_dataset_with_spark
    from cio_spark.pipeline import run_sync

_HOMES = {
    "BatchConfiguration": "cio_spark.config",
    "BatchErrorHandler": "cio_spark.notebook",
    "BatchJob": "cio_spark.notebook",
    "BatchMetrics": "cio_spark.notebook",
    "BatchMonitor": "cio_spark.notebook",
    "BatchPerformanceAnalyzer": "cio_spark.notebook",
    "BatchStatus": "cio_spark.config",
    "BatchStrategy": "cio_spark.config",
    "CustomerIOClient": "cio_spark.notebook",
    "CustomerIOError": "cio_spark.errors",
    "ErrorHandlingStrategy": "cio_spark.config",
    "NetworkError": "cio_spark.errors",
    "ParallelBatchProcessor": "cio_spark.notebook",
    "ProcessingPriority": "cio_spark.config",
    "RateLimitError": "cio_spark.errors",
    "SyncResult": "cio_spark.model",
    "ValidationError": "cio_spark.errors",
    "create_intelligent_batches": "cio_spark.notebook",
    "load_config": "cio_spark.config",
    "process_large_dataset_with_spark": "cio_spark.notebook.large_dataset",
    "run_sync": "cio_spark.pipeline",
}

__all__ = [
    "BatchConfiguration",
    "BatchErrorHandler",
    "BatchJob",
    "BatchMetrics",
    "BatchMonitor",
    "BatchPerformanceAnalyzer",
    "BatchStatus",
    "BatchStrategy",
    "CustomerIOClient",
    "CustomerIOError",
    "ErrorHandlingStrategy",
    "NetworkError",
    "ParallelBatchProcessor",
    "ProcessingPriority",
    "RateLimitError",
    "SyncResult",
    "ValidationError",
    "create_intelligent_batches",
    "load_config",
    "process_large_dataset_with_spark",
    "run_sync",
]

if not TYPE_CHECKING:  # to a type checker, `__getattr__` would mean that every name exists, misspelt ones too
    __getattr__, __dir__ = lazy_names(__name__, _HOMES, need_spark=("process_large_dataset_with_spark", "run_sync"))
