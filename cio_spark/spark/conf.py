"""Reads settings of a session, and changes them for as long as a query needs them."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@dataclass
class _Holding:
    """Keeps a setting that threads need: its value, these threads, and the value to restore after them."""

    value: str
    before: str | None
    is_changed: bool
    outer: _Holding | None
    threads: list[int] = field(default_factory=list)


_holdings: dict[tuple[int, str], _Holding] = {}
_FREED = threading.Condition()


def read_setting(spark: SparkSession, name: str, default: str | None = None) -> str | None:
    """Return the value of a setting; None if the session does not show it, as serverless compute shows only a few.

    Args:
        spark: the session.
        name: name of the setting.
        default: the value to return if the setting is not set; None for the one that Spark itself uses.
    """
    with contextlib.suppress(Exception):  # raised for a hidden setting, whatever the default is
        return spark.conf.get(name) if default is None else spark.conf.get(name, default)
    return None


def keep_setting(spark: SparkSession, name: str, value: str | None) -> None:
    """Set a setting to the end of the session, or remove it; do nothing if the session refuses that.

    Args:
        spark: the session.
        name: name of the setting.
        value: the value; None to remove the setting.
    """
    with contextlib.suppress(Exception):
        spark.conf.unset(name) if value is None else spark.conf.set(name, value)


@contextlib.contextmanager
def temporary_settings(spark: SparkSession, settings: Mapping[str, str]) -> Iterator[None]:
    """Set the settings that the session accepts, and restore them at the end; serverless compute refuses most settings.

    A setting belongs to the whole session. So threads that need the same values share them, and the last of these
    threads restores the old ones. A thread that needs other values waits until those are free. Within one thread, the
    inner value applies until its block ends.

    Args:
        spark: the session; other queries that run in it at the same time see the settings too.
        settings: values by name.
    """
    me = threading.get_ident()
    held: list[str] = []
    with _FREED:
        while any(_is_taken(spark, name, value, me) for name, value in settings.items()):
            _FREED.wait()
        for name, value in settings.items():
            with contextlib.suppress(Exception):
                _take(spark, name, value, me)
                held.append(name)
    try:
        yield
    finally:
        with _FREED:
            for name in held:
                _give_back(spark, name, me)
            _FREED.notify_all()


def _is_taken(spark: SparkSession, name: str, value: str, me: int) -> bool:
    """Tell whether other threads, and not this one, need another value of the setting."""
    holding = _holdings.get((id(spark), name))
    return holding is not None and holding.value != value and me not in holding.threads


def _take(spark: SparkSession, name: str, value: str, me: int) -> None:
    holding = _holdings.get((id(spark), name))
    if holding is None or holding.value != value:
        before = spark.conf.get(name, None)
        is_changed = value not in (before, read_setting(spark, name) if before is None else None)
        if is_changed:
            spark.conf.set(name, value)
        holding = _holdings[id(spark), name] = _Holding(value, before, is_changed, holding)
    holding.threads.append(me)


def _give_back(spark: SparkSession, name: str, me: int) -> None:
    innermost = holding = _holdings[id(spark), name]
    inner: _Holding | None = None
    while me not in holding.threads and holding.outer is not None:  # another thread has set an inner value over ours
        inner, holding = holding, holding.outer
    holding.threads.remove(me)
    if holding.threads:
        return
    if inner is not None:  # the inner value is another thread's, which later restores what was before ours
        inner.outer, inner.before = holding.outer, holding.before
        inner.is_changed = inner.is_changed or holding.is_changed
        return
    if holding.outer is None:
        del _holdings[id(spark), name]
    else:
        _holdings[id(spark), name] = holding.outer
    if innermost.is_changed:
        with contextlib.suppress(Exception):
            spark.conf.unset(name) if holding.before is None else spark.conf.set(name, holding.before)
