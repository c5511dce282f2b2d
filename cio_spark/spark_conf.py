"""Settings of a session, for as long as a query needs them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@contextlib.contextmanager
def set_for_a_while(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Sets what the session lets us set, and sets it back; serverless compute refuses most settings.

    Args:
        spark: the session; other queries that run in it meanwhile see the settings too.
        settings: values by name.
    """
    before: dict[str, str | None] = {}
    for name, value in settings.items():
        with contextlib.suppress(Exception):
            before[name] = spark.conf.get(name, None)
            spark.conf.set(name, value)
    try:
        yield
    finally:
        for name, earlier in before.items():
            with contextlib.suppress(Exception):
                spark.conf.unset(name) if earlier is None else spark.conf.set(name, earlier)
