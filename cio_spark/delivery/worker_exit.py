"""Ends a worker process whose task Spark has ended, before it sends anything more."""

from __future__ import annotations

import os
import select
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

POLL_MS = 200
# The name under which pyspark's worker loop holds its connection to the executor
_CONNECTION = "outfile"


@contextmanager
def ended_with_its_task() -> Iterator[None]:
    """Runs a block that ends, with its whole process, when the executor hangs up.

    Spark closes the connection of a task that it has killed. The worker notices when it next writes 64 KiB of
    outcomes to it, and lanes would send until then, while the next attempt is at work (docs/decisions/0010-barrier.md).
    Outside a worker, and where the system has no `poll`, the block runs as it is.
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
                # Nobody would reap threads in the middle of a request; Spark kills workers in no other way
                os._exit(1)

    threading.Thread(target=watch, name="cio-spark-hang-up", daemon=True).start()
    try:
        yield
    finally:
        over.set()


def _connection() -> int | None:
    """The descriptor of this worker's connection to the executor; None: this is no worker."""
    frame = sys._getframe()
    while frame is not None:
        stream: Any = frame.f_locals.get(_CONNECTION)
        if frame.f_globals.get("__name__") in ("pyspark.worker", "__main__") and hasattr(stream, "fileno"):
            return int(stream.fileno())
        frame = frame.f_back  # type: ignore[assignment]  # the outermost one has None
    return None
