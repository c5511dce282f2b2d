"""Reads how many rows the running tasks of a query have returned, from Spark's own metrics."""

from __future__ import annotations

import contextlib
from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, Any

from cio_spark.clock import Clock

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

_METRIC = "number of output rows"
_REST = 20
"""Seconds without reading for each second that reading took: one twentieth of the time at most is spent on it."""


class ReturnedRows:
    """Reads how many rows one node of a query's plan has returned so far, including its running tasks.

    Executors report the metrics of running tasks with their heartbeats: by `spark.executor.heartbeatInterval`, every
    10 s, where nothing else is set. The driver keeps them also if Spark's web interface is off
    (docs/decisions/0022-progress-from-spark-metrics.md).

    Args:
        spark: a classic session.
        tag: job tag of the query, unique.
        nodes: names that the node may have.
        clock: source of time.
    """

    def __init__(self, spark: SparkSession, tag: str, nodes: Collection[str], clock: Clock) -> None:
        self._spark = spark
        self._tag = tag
        self._nodes = nodes
        self._clock = clock
        self._next_reading = clock.monotonic()
        self._rows: int | None = None
        self._found: tuple[int, int] | None = None
        self._without_node: set[int] = set()

    def read(self) -> int | None:
        """Return the number of returned rows; None if Spark has not told it yet, or does not tell it.

        It never raises: the methods of Spark that it calls are not public, and may be missing or closed to us.
        """
        began = self._clock.monotonic()
        if began >= self._next_reading:
            with contextlib.suppress(Exception):
                self._rows = self._read()
            ended = self._clock.monotonic()
            self._next_reading = ended + _REST * (ended - began)
        return self._rows

    def _read(self) -> int | None:
        inside: Any = self._spark
        store = inside._jsparkSession.sharedState().statusStore()
        if self._found is not None:
            execution, metric = self._found
            return _value(store, execution, metric)
        for execution in self._executions():
            for metric in self._metrics(store, execution):
                rows = _value(store, execution, metric)
                # A plan gets other metrics each time that Spark adapts it, and none has a value before its tasks run
                if rows is not None:
                    self._found = execution, metric
                    return rows
        return None

    def _executions(self) -> Iterator[int]:
        """Yield the ids of the SQL executions of the jobs with the tag."""
        inside: Any = self._spark.sparkContext
        context = inside._jsc.sc()
        seen = set(self._without_node)
        for job in context.statusTracker().getJobIdsForTag(self._tag):
            execution = context.statusStore().jobWithAssociatedSql(job)._2()
            if execution.isDefined() and execution.get() not in seen:
                seen.add(execution.get())
                yield execution.get()

    def _metrics(self, store: Any, execution: int) -> Iterator[int]:
        """Yield the ids of the metric of the node in the plan of an execution; remember an execution without node."""
        nodes = [node for node in _each(store.planGraph(execution).allNodes()) if node.name().strip() in self._nodes]
        if not nodes:
            self._without_node.add(execution)
        for node in nodes:
            for metric in _each(node.metrics()):
                if metric.name() == _METRIC:
                    yield metric.accumulatorId()


def _each(sequence: Any) -> Iterator[Any]:
    """Yield the elements of a sequence of Scala."""
    elements = sequence.iterator()
    while elements.hasNext():
        yield elements.next()


def _value(store: Any, execution: int, metric: int) -> int | None:
    """Return the value of a metric; Spark tells it as a text such as `1,234`."""
    value = store.executionMetrics(execution).get(metric)
    return int("".join(filter(str.isdigit, value.get()))) if value.isDefined() else None
