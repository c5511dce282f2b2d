"""This process: the signals it gets, and the name by which others can tell whether it is still there."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

from cio_spark.runtime.cancellation import Cancellation

_PROC = Path("/proc")
_GONE = frozenset("ZXx")
"""States of a process that does nothing any more: a zombie, and dead (proc(5))."""


@contextlib.contextmanager
def cancel_on_signals(cancellation: Cancellation) -> Iterator[None]:
    """SIGTERM and SIGINT (Ctrl-C, a cancelled job) ask for a stop while the block runs; in the main thread only.

    Args:
        cancellation: what is asked.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, _: object) -> None:
        cancellation.request(number)

    before = {number: signal.signal(number, ask) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def owner(*, ends_with_process: bool = True) -> str:
    """Name this process, for claims: `host:pid`, and on Linux `/boot-namespace-start`, which no other process ever has.

    Args:
        ends_with_process: whether what it has started ends with it. Else the end of the process says nothing, and the
            name has only its first part, of which nobody is known to be dead.
    """
    place = _place() if ends_with_process else None
    unique = "" if place is None else f"/{place}-{_started(os.getpid())}"
    return f"{socket.gethostname()}:{os.getpid()}{unique}"


def is_here(name: str) -> bool:
    """Whether an `owner` is, or was, a process of a machine of this name."""
    return _host_and_pid(name)[0] == socket.gethostname()


def owner_is_dead(name: str) -> bool:
    """Whether a claim's owner is a process of this machine that is gone.

    Args:
        name: an `owner`.

    A zombie is gone too: killed, and not yet waited for, as is usual for a container's first process.

    Returns:
        False also where that cannot be known: another machine, or another container, where its number says nothing.
    """
    pid = _host_and_pid(name)[1]
    if not is_here(name) or not pid.isdigit():
        return False
    place, _, started = name.partition("/")[2].rpartition("-")
    if place != (_place() or ""):
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    state, started_here = _state_and_start(int(pid))
    return state in _GONE or started != started_here


def _host_and_pid(name: str) -> tuple[str, str]:
    host, _, pid = name.partition("/")[0].rpartition(":")
    return host, pid


def _place() -> str | None:
    """Where process numbers mean what they mean here: this boot of the kernel and this namespace; None if untold."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _started(pid: int) -> str:
    return _state_and_start(pid)[1]


def _state_and_start(pid: int) -> tuple[str, str]:
    """Read a process's state, a letter, and when it started, in clock ticks since the boot; empty if untold."""
    try:
        # What follows the command's name, which may hold anything
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
