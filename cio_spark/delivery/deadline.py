"""Ends HTTP exchanges at their deadline from another thread, because a read timeout starts again with every byte."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from cio_spark.clock import SystemClock

IDLE_SECONDS = 10.0


class Watchdog:
    """Calls a function when a deadline passes before the block under that deadline has ended.

    One thread serves all lanes of a process; it starts with the first deadline and ends when it has been idle.
    Deadlines are in real time, whatever clock the other code uses, because a socket knows only real time.
    """

    def __init__(self) -> None:
        self._clock = SystemClock()
        self._changed = threading.Condition()
        self._numbers = itertools.count()
        self._watched: dict[int, tuple[float, Callable[[], None]]] = {}
        self._wakes_at: float | None = None

    @contextmanager
    def watch(self, seconds: float, act: Callable[[], None]) -> Iterator[None]:
        """Run a block under a deadline.

        Args:
            seconds: seconds from now to the deadline.
            act: function that another thread calls once, unless the block has ended before; it must not block.
        """
        number = next(self._numbers)
        due = self._clock.monotonic() + seconds
        with self._changed:
            self._watched[number] = (due, act)
            if self._wakes_at is None:
                self._wakes_at = due
                threading.Thread(target=self._run, name="cio-spark-deadlines", daemon=True).start()
            elif due < self._wakes_at:
                self._changed.notify()
        try:
            yield
        finally:
            with self._changed:
                self._watched.pop(number, None)

    def _run(self) -> None:
        with self._changed:
            while True:
                now = self._clock.monotonic()
                for number, (due, act) in list(self._watched.items()):
                    if due <= now:
                        del self._watched[number]
                        act()
                was_idle = not self._watched
                self._wakes_at = min((due for due, _ in self._watched.values()), default=now + IDLE_SECONDS)
                self._changed.wait(self._wakes_at - now)
                if was_idle and not self._watched:
                    self._wakes_at = None
                    return
