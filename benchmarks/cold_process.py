"""Runs a command in a process of its own, and measures its seconds and the CPU of all processes that it started."""

from __future__ import annotations

import ctypes
import json
import os
import resource
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cio_spark.clock import SystemClock

_PR_SET_CHILD_SUBREAPER = 36


@dataclass(frozen=True)
class ColdRun:
    """Describes how a command ran.

    Attributes:
        seconds: seconds until the command had ended.
        cpu_seconds: user and system time of the command, of its JVM and of its Python workers.
        output: what it printed.
    """

    seconds: float
    cpu_seconds: float
    output: str


def run_cold(command: Sequence[str], environment: Mapping[str, str]) -> ColdRun:
    """Run a command.

    Args:
        command: the program and its arguments.
        environment: variables to set besides those of this process.

    Raises:
        SystemExit: the command did not end with exit status 0.
    """
    runner = [sys.executable, __file__, *command]
    done = subprocess.run(runner, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    output, _, facts = done.stdout.rstrip("\n").rpartition("\n")
    measured = json.loads(facts)
    return ColdRun(measured["seconds"], measured["cpu_seconds"], output)


def _main(command: list[str]) -> int:
    """Run a command, wait for all processes that it leaves behind, and print the figures as the last line.

    The JVM outlives the command for a moment and would then be no child of ours, so this process adopts it: only the
    CPU of children that were waited for can be read.
    """
    # Linux alone has this; elsewhere the CPU of the JVM is missing
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    clock = SystemClock()
    began = clock.monotonic()
    status = subprocess.run(command, check=False).returncode
    seconds = clock.monotonic() - began
    try:
        while True:
            os.wait()
    except ChildProcessError:
        pass
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    sys.stdout.flush()
    print(f"\n{json.dumps({'seconds': seconds, 'cpu_seconds': used.ru_utime + used.ru_stime})}")
    return status


if __name__ == "__main__":
    raise SystemExit(_main(sys.argv[1:]))
