"""Runs actions of Spark in threads of their own, so that an interrupt of the caller neither loses nor leaves them.

A KeyboardInterrupt ends only the caller's waiting for the JVM, which goes on: with the interrupted action, and with the
jobs that the action has not started yet. In a thread of its own, an action can be cancelled until it has ended.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from cio_spark.clock import Clock
from cio_spark.spark.versions import classic_context, enter_session

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

PATIENCE_SECONDS = 30.0
"""Seconds that an interrupted caller waits for the end of an action."""
_LOOK_SECONDS = 0.5


class HelperThread:
    """Runs one action in a thread with the job group, the tags and the other properties of the thread that starts it.

    Args:
        spark: the session.
        action: what to run.
        name: name of the thread.
    """

    def __init__(self, spark: SparkSession, action: Callable[[], None], name: str) -> None:
        self._spark = spark
        self._action = action
        self._name = name
        self._lock = threading.Lock()
        self._is_given_up = False
        self._has_begun = False
        self._ended = threading.Event()
        self._error: BaseException | None = None

    @property
    def has_ended(self) -> bool:
        """Tell whether the action has ended, or will never begin."""
        return self._ended.is_set()

    def start(self) -> None:
        """Start the action; if that fails or is interrupted, the action has begun, or will never begin."""
        try:
            _new_thread(self._spark, self._run, self._name).start()
        except BaseException:
            with self._lock:
                if not self._has_begun:
                    self._is_given_up = True
                    self._ended.set()
            raise

    def wait(self, seconds: float | None = None) -> None:
        """Wait for the end of the action, but no longer than `seconds`; None waits without a limit."""
        self._ended.wait(seconds)

    def raise_error(self) -> None:
        """Raise what the action has raised, if it has raised anything."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        with self._lock:
            if self._is_given_up:
                return
            self._has_begun = True
        try:
            if classic_context(self._spark) is not None:
                enter_session(self._spark)
            self._action()
        except BaseException as error:  # the waiting thread raises it
            self._error = error
        finally:
            self._ended.set()


def run_to_the_end(spark: SparkSession, action: Callable[[], None], clock: Clock, name: str) -> None:
    """Run a short action that an interrupt must not cut off: the interrupt is raised when the action has ended.

    From the first interrupt on, the wait takes `PATIENCE_SECONDS` at most, however many interrupts follow.

    Args:
        spark: the session.
        action: what to run.
        clock: source of time.
        name: name of the thread.
    """
    helper = HelperThread(spark, action, name)
    interrupt: KeyboardInterrupt | None = None
    until = None
    try:
        helper.start()
    except KeyboardInterrupt as error:
        interrupt = error
    while not helper.has_ended and (until is None or clock.monotonic() < until):
        try:
            if interrupt is not None and until is None:
                until = clock.monotonic() + PATIENCE_SECONDS
            helper.wait(_LOOK_SECONDS)
        except KeyboardInterrupt as error:
            interrupt = interrupt or error
    if interrupt is not None:
        raise interrupt
    helper.raise_error()


def _new_thread(spark: SparkSession, run: Callable[[], None], name: str) -> threading.Thread:
    if classic_context(spark) is not None:
        from pyspark import InheritableThread  # copies the JVM's properties of this thread: job group, tags, pool

        return InheritableThread(run, name=name, daemon=True)
    tags = spark.getTags()

    def run_tagged() -> None:
        for tag in tags:
            spark.addTag(tag)
        run()

    return threading.Thread(target=run_tagged, name=name, daemon=True)
