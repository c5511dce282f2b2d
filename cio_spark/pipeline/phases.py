"""Measures the seconds of each phase of a run, and turns exceptions of Spark into one sentence."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field

from cio_spark.clock import Clock
from cio_spark.config import SyncConfig
from cio_spark.errors import CioSparkError
from cio_spark.pipeline.progress import Progress
from cio_spark.spark import failures as spark_errors


@dataclass
class Phases:
    """Measures the seconds of each phase and tells the listener when a phase begins."""

    clock: Clock
    progress: Progress
    seconds: dict[str, float] = field(default_factory=dict)

    @contextlib.contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the time of a block, also if it fails, and add it to its phase."""
        self.progress.phase(name)
        began = self.clock.monotonic()
        try:
            yield
        finally:
            self.seconds[name] = self.seconds.get(name, 0.0) + self.clock.monotonic() - began


@contextlib.contextmanager
def explain_spark_failures(config: SyncConfig) -> Iterator[None]:
    """Turn an exception of Spark into a `CioSparkError` with one sentence."""
    try:
        yield
    except CioSparkError:
        raise
    except Exception as error:  # Spark's exceptions have no common root, and their texts quote values
        raise spark_errors.explain_failure(error, config.expressions()) from None
