"""Tests that mypy --strict checks a user's file by the types of the installed package."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from wheel_building import install_wheel

import cio_spark

pytestmark = pytest.mark.slow

USER = """\
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession
from typing_extensions import assert_type

from cio_spark import (
    BatchConfiguration,
    BatchErrorHandler,
    BatchJob,
    BatchMetrics,
    BatchMonitor,
    BatchPerformanceAnalyzer,
    BatchStatus,
    BatchStrategy,
    CustomerIOClient,
    CustomerIOError,
    ErrorHandlingStrategy,
    NetworkError,
    ParallelBatchProcessor,
    ProcessingPriority,
    RateLimitError,
    SyncResult,
    ValidationError,
    create_intelligent_batches,
    load_config,
    process_large_dataset_with_spark,
    run_sync,
)
from cio_spark.clock import FakeClock
from cio_spark.config import ApiKey
from cio_spark.errors import CioSparkError, ConfigurationError, ExitStatus, MissingLibraryError
from cio_spark.pipeline import preview_sync, replay_sync
from cio_spark.runtime import find_api_key
from cio_spark.spark.session import build_session
from cio_spark.standin import Fault, StandIn


def sync(path: Path, spark: SparkSession) -> SyncResult:
    config = load_config(path, environment="prod", overrides=["batch.parallel_workers=8"])
    print(preview_sync(config, spark=spark).counts)
    try:
        result = run_sync(config, spark=spark, api_key=find_api_key(config))
    except MissingLibraryError as error:
        raise SystemExit(str(error)) from error
    except ConfigurationError as error:
        raise SystemExit(error.problems[0].path) from error
    except CioSparkError as error:
        raise SystemExit(error.exit_status) from error
    assert_type(result.exit_status, ExitStatus)
    assert_type(result.books.balanced, bool)
    assert_type(result.books.delivery.accepted, int)
    return result


def notebook(rows: DataFrame, data: list[dict[str, Any]]) -> None:
    config = BatchConfiguration(max_batch_size=500, strategy=BatchStrategy.ADAPTIVE)
    config.error_handling = ErrorHandlingStrategy.FAIL_FAST
    batches = create_intelligent_batches(data, config)
    print(len(batches[0]), BatchStatus.COMPLETED.value, ProcessingPriority.HIGH.value)
    print(BatchErrorHandler(config), BatchMonitor(config), BatchPerformanceAnalyzer())
    process_large_dataset_with_spark(rows, config, "bulk_processing", api_key=ApiKey("key"))
    with StandIn() as api, CustomerIOClient(api.api_key, base_url=api.url, clock=FakeClock()) as client:
        api.script(Fault(status=503, times=1))
        try:
            client.track("c1", "Order Placed", {"amount": 9.5})
        except (RateLimitError, NetworkError, ValidationError) as error:
            assert_type(error.status_code, int | None)
        except CustomerIOError:
            raise
        print(ParallelBatchProcessor(client, config), BatchJob, BatchMetrics, replay_sync)


if __name__ == "__main__":
    sync(Path("conf/syncs/orders.yml"), build_session(Path("warehouse")))
"""
MISTAKEN = """\
from cio_spark import BatchConfiguration, load_config, run_snyc

config = load_config("conf/syncs/orders.yml")
config.sync.nmae
BatchConfiguration(max_batch_size="many")
"""
MISTAKES = [
    'mistaken.py:1: error: Module "cio_spark" has no attribute "run_snyc"  [attr-defined]',
    'mistaken.py:4: error: "SyncSection" has no attribute "nmae"  [attr-defined]',
    'mistaken.py:5: error: Argument "max_batch_size" to "BatchConfiguration" has incompatible type "str"; '
    'expected "int"  [arg-type]',
]


def test_the_users_file_uses_every_public_name() -> None:
    imports = [node for node in ast.walk(ast.parse(USER)) if isinstance(node, ast.ImportFrom)]
    assert {name.name for node in imports if node.module == "cio_spark" for name in node.names} == set(
        cio_spark.__all__
    )


def test_mypy_finds_nothing_wrong_in_a_right_file_and_every_mistake_in_a_wrong_one(tmp_path: Path) -> None:
    python = install_wheel(tmp_path / "installed")
    folder = tmp_path / "user"
    folder.mkdir()
    (folder / "user.py").write_text(USER, encoding="utf-8")
    (folder / "mistaken.py").write_text(MISTAKEN, encoding="utf-8")
    settings = ["--strict", "--python-executable", str(python), "--cache-dir", str(tmp_path / "cache"), "--no-pretty"]
    done = subprocess.run(
        [sys.executable, "-m", "mypy", *settings, "--no-error-summary", "user.py", "mistaken.py"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stderr == ""
    assert re.sub("; maybe .*[?]", "", done.stdout).splitlines() == MISTAKES
