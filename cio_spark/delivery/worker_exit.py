"""Ends a worker process whose task Spark has ended, before the process sends anything more."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

POLL_MS = 200
# Name of the variable in which pyspark's worker loop keeps its connection to the executor
_CONNECTION = "outfile"


@contextmanager
def ended_with_its_task() -> Iterator[None]:
    """Run a block, and end the whole process if the executor closes the connection of its task before the block ends.

    Spark closes the connection of a task that it has killed. Without this, the worker notices it only when it next
    writes 64 KiB of outcomes; until then its lanes would send, while the next attempt is at work
    (docs/decisions/0010-barrier.md). Outside a worker, and on systems without `poll`, the block just runs.
    """
    connection = _connection()
    if connection is None or not hasattr(select, "poll"):
        yield
        return
    hung_up = select.poll()
    hung_up.register(connection, getattr(select, "POLLRDHUP", select.POLLHUP))
    over = threading.Event()

    def watch() -> None:
        while not over.is_set():
            if hung_up.poll(POLL_MS) and not over.is_set():
                # Nobody would end threads that are in the middle of a request; Spark kills workers in this way too
                os._exit(1)

    threading.Thread(target=watch, name="cio-spark-hang-up", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _connection() -> int | None:
    """Return the file descriptor of this worker's connection to the executor; None if this process is no worker."""
    frame = sys._getframe()
    while frame is not None:
        stream: Any = frame.f_locals.get(_CONNECTION)
        if frame.f_globals.get("__name__") in ("pyspark.worker", "__main__") and hasattr(stream, "fileno"):
            return int(stream.fileno())
        frame = frame.f_back  # type: ignore[assignment]  # the outermost one has None
    return None
