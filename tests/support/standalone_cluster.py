"""Runs a Spark standalone cluster on loopback, for tests and benchmarks that kill parts of it.

It works on Linux only, because it reads /proc.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import subprocess
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

import pyspark
from waiting import wait_until

SPARK_HOME = Path(pyspark.__file__).parent
START_SECONDS = 90.0
STOP_SECONDS = 20.0
_HOST = "127.0.0.1"
_PROC = Path("/proc")
_MASTER_URL = re.compile(r"Starting Spark master at (spark://\S+)")
_STATUS_URL = re.compile(r"MasterWebUI.* at (http://\S+)")


def spark_environment() -> dict[str, str]:
    """Return the environment of every process of the cluster, and of those that submit to it."""
    return {**os.environ, "SPARK_HOME": str(SPARK_HOME), "SPARK_LOCAL_IP": _HOST}


class Cluster:
    """Runs a master and workers of one core each; it is a context manager.

    Args:
        folder: folder of the logs and of the workers' own files.
        workers: number of workers.
        worker_memory: memory that each worker may give to executors, such as `1g`.
    """

    def __init__(self, folder: Path, *, workers: int = 2, worker_memory: str = "1g") -> None:
        self._folder = folder
        self._count = workers
        self._memory = worker_memory
        self._processes: list[subprocess.Popen[bytes]] = []
        self._workers: list[int] = []
        self.master_url = ""
        self._status_url = ""

    def __enter__(self) -> Cluster:
        self._folder.mkdir(parents=True, exist_ok=True)
        try:
            self._start()
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def executors(self) -> list[int]:
        """Return the process ids of the executors that exist now."""
        return [
            pid
            for pid in _children(self._workers)
            if b"CoarseGrainedExecutorBackend" in _read(_PROC / str(pid) / "cmdline")
        ]

    def executor_logs(self) -> str:
        """Return what all executors so far, and their Python workers, have written to standard error."""
        files = sorted(self._folder.glob("worker*/app-*/*/stderr"))
        return "\n".join(file.read_text(encoding="utf-8", errors="replace") for file in files)

    def kill_executor(self, number: int | None = None) -> int:
        """Kill one executor with SIGKILL.

        Args:
            number: Spark's number of the executor; None for any executor.

        Returns:
            the process id of the executor.
        """
        wanted = None if number is None else f"--executor-id\0{number}\0".encode()
        pid = next(pid for pid in self.executors() if wanted is None or wanted in _read(_PROC / str(pid) / "cmdline"))
        os.kill(pid, signal.SIGKILL)
        return pid

    def kill_machine(self) -> None:
        """Kill the first worker and its executor with SIGKILL; nothing takes their place."""
        worker = self._workers.pop(0)
        kill_group(next(process for process in self._processes if process.pid == worker))

    def is_idle(self) -> bool:
        """Tell whether no application has a core or a process on the cluster."""
        return self._status()["coresused"] == 0 and not self.executors()

    def wait_until_idle(self) -> None:
        """Wait until the last application is gone, even if its driver was killed."""
        wait_until(self.is_idle, STOP_SECONDS, "the cluster gave back its cores")

    def _start(self) -> None:
        master = self._launch("master", "master.Master", "--port", "0", "--webui-port", "0")
        log = self._folder / "master.log"

        def listens() -> bool:
            assert master.poll() is None, log.read_text()
            text = log.read_text()
            return bool(_MASTER_URL.search(text) and _STATUS_URL.search(text))

        wait_until(listens, START_SECONDS, "the master listens")
        text = log.read_text()
        self.master_url, self._status_url = (
            found.group(1) for found in (_MASTER_URL.search(text), _STATUS_URL.search(text)) if found
        )
        for number in range(self._count):
            name = f"worker{number}"
            size = ("--cores", "1", "--memory", self._memory, "--webui-port", "0")
            place = ("--work-dir", str(self._folder / name))
            worker = self._launch(name, "worker.Worker", *size, *place, self.master_url)
            self._workers.append(worker.pid)
        wait_until(lambda: self._status()["aliveworkers"] == self._count, START_SECONDS, "the workers have registered")

    def _launch(self, name: str, role: str, *arguments: str) -> subprocess.Popen[bytes]:
        command = [str(SPARK_HOME / "bin" / "spark-class"), f"org.apache.spark.deploy.{role}", "--host", _HOST]
        with (self._folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(
                [*command, *arguments],
                cwd=self._folder,
                env=spark_environment(),
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        self._processes.append(process)
        return process

    def _status(self) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._status_url}/json/", timeout=START_SECONDS) as answer:
            status: dict[str, Any] = json.load(answer)
            return status

    def _stop(self) -> None:
        for process in reversed(self._processes):
            kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill a process that leads a session of its own, and everything it started there, with SIGKILL."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def _children(parents: list[int]) -> list[int]:
    found = []
    for folder in _PROC.iterdir():
        if folder.name.isdigit():
            # The line is: pid (name) state ppid …; the name may contain anything, even parentheses
            fields = _read(folder / "stat").rpartition(b")")[2].split()
            if len(fields) > 1 and int(fields[1]) in parents:
                found.append(int(folder.name))
    return sorted(found)


def _read(path: Path) -> bytes:
    """Return the content of a file in /proc, or nothing if its process is gone."""
    try:
        return path.read_bytes()
    except OSError:
        return b""
