"""Tests that the names which users import exist, and that importing the package loads none of its large libraries."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cio_spark


@pytest.mark.parametrize("name", cio_spark.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(cio_spark, name).__name__ == name


def test_the_notebooks_names_are_there() -> None:
    notebook = {
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
        "ValidationError",
        "create_intelligent_batches",
        "process_large_dataset_with_spark",
    }
    assert notebook <= set(cio_spark.__all__)


def test_only_the_function_for_dataframes_needs_spark() -> None:
    names = [name for name in cio_spark.__all__ if name not in ("process_large_dataset_with_spark", "run_sync")]
    code = f"import sys; from cio_spark import {', '.join(names)}; print('pyspark' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cio_spark.nothing  # type: ignore[attr-defined]  # noqa: B018  # the access is the test


def test_importing_the_package_loads_neither_spark_nor_pydantic() -> None:
    code = "import sys, cio_spark; print([name for name in ('pyspark', 'pydantic', 'requests') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
