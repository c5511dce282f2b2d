"""Handles the signals of this process, and names it so that other processes can tell whether it still exists."""

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
"""States of a process that does nothing any more: zombie and dead (proc(5))."""


@contextlib.contextmanager
def cancel_on_signals(cancellation: Cancellation) -> Iterator[None]:
    """Request a stop when SIGTERM or SIGINT (Ctrl-C, a cancelled job) arrives while the block runs.

    It does nothing outside of the main thread.

    Args:
        cancellation: the object on which the stop is requested.
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
    """Name this process for claims: `host:pid`, on Linux followed by `/boot-namespace-start`, which is unique for ever.

    Args:
        ends_with_process: True if everything that the process has started ends with it. If False, the end of the
            process proves nothing, so the name has only its first part, which `owner_is_dead` on Linux never takes for
            that of a dead process.
    """
    place = _place() if ends_with_process else None
    unique = "" if place is None else f"/{place}-{_started(os.getpid())}"
    return f"{socket.gethostname()}:{os.getpid()}{unique}"


def is_on_this_machine(name: str) -> bool:
    """Tell whether an `owner` is, or was, a process of a machine with this machine's name."""
    return _host_and_pid(name)[0] == socket.gethostname()


def owner_is_dead(name: str) -> bool:
    """Tell whether a claim's owner is a process of this machine that no longer exists.

    A zombie counts as gone: it was killed, but nobody has waited for it yet, as is usual for the first process of a
    container.

    Args:
        name: name of the process, as `owner` made it.

    Returns:
        False also if the answer cannot be known: on another machine, or in another container, where process numbers
        mean other processes.
    """
    pid = _host_and_pid(name)[1]
    if not is_on_this_machine(name) or not pid.isdigit():
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
    """Name the boot of the kernel and the namespace in which process numbers mean the same as here; None if unknown."""
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}-{(_PROC / 'self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _started(pid: int) -> str:
    return _state_and_start(pid)[1]


def _state_and_start(pid: int) -> tuple[str, str]:
    """Read a process's state (a letter) and its start in clock ticks since the boot; empty texts if unknown."""
    try:
        # The fields after the command's name, which may contain any character
        fields = (_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
        return fields[0], fields[19]
    except (OSError, IndexError):
        return "", ""
