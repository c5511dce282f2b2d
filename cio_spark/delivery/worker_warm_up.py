"""Prepares a Python worker of Spark, which runs many tasks, so that pyspark does less between them."""

from __future__ import annotations

import gc
import sys
from zipimport import zipimporter


def warm_up_worker() -> None:
    """Prepare the worker process for many tasks: avoid work that pyspark does between tasks without use for us."""
    _forget_archives()
    if not gc.get_freeze_count():
        # Garbage is collected after each task. What is imported by now never becomes garbage, and checking it takes
        # 0.1 s
        gc.freeze()


def _forget_archives() -> None:
    """Remove jars from the worker's import path, and forget what was read from zip files.

    Before each task, a reused worker reads again the directory of every archive from which it has imported: 0.2 s of
    CPU a task for Spark's own jar and pyspark.zip (docs/decisions/0004-jars-as-files.md). Later imports read again what
    they need.
    """
    sys.path[:] = [entry for entry in sys.path if not entry.endswith(".jar")]
    for entry, finder in list(sys.path_importer_cache.items()):
        if ".jar" in entry or isinstance(finder, zipimporter):
            del sys.path_importer_cache[entry]
