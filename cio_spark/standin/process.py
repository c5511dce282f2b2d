"""Runs the stand-in in a process of its own, so that it shares no interpreter lock with the program that it serves."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import urllib.request
from types import TracebackType
from typing import Any

from pydantic import TypeAdapter

from cio_spark.standin.faults import Fault
from cio_spark.standin.server import DEFAULT_API_KEY, StandIn

_STOP_SECONDS = 10.0
_ASK_SECONDS = 60.0
_FAULTS = TypeAdapter(list[Fault])
# The parent's sys.path may differ from that of a new interpreter
_PROGRAM = """\
import json, sys
settings = json.loads(sys.stdin.readline())
sys.path[:] = settings["path"]
from cio_spark.standin.process import serve_parent
serve_parent(settings["api_key"])
"""


class StandInProcess:
    """Starts a stand-in as a child process, and asks and scripts it through `/_standin/`.

    The process ends with the block, and also when its parent is killed. After that it can be asked nothing, unlike
    `StandIn`.

    Args:
        api_key: the API key that is accepted.
    """

    def __init__(self, api_key: str = DEFAULT_API_KEY) -> None:
        self.api_key = api_key
        self.root_url = ""
        self._process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        """The API's base address, `http://HOST:PORT/v1`."""
        return f"{self.root_url}/v1"

    def script(self, *faults: Fault) -> None:
        """Add faults to those in force; they apply to the requests that arrive from now on."""
        self._ask("POST", "faults", _FAULTS.dump_json(list(faults)))

    def summary(self) -> dict[str, Any]:
        """Return the counts of `/_standin/summary`."""
        answer: dict[str, Any] = self._ask("GET", "summary")
        return answer

    def clear(self) -> None:
        """Delete what was received and counted; the faults stay."""
        self._ask("DELETE", "received")

    def __enter__(self) -> StandInProcess:
        """Start the process.

        Raises:
            RuntimeError: the process ended before it listened.
        """
        # In a session of its own, the process does not get the Ctrl-C that asks its parent to finish
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert process.stdin is not None
        assert process.stdout is not None
        self._process = process
        with contextlib.suppress(BrokenPipeError):
            process.stdin.write(json.dumps({"path": sys.path, "api_key": self.api_key}) + "\n")
            process.stdin.flush()
        self.root_url = process.stdout.readline().strip()
        if not self.root_url:
            self._stop()
            raise RuntimeError("the stand-in's process did not start")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        with process:  # closes the pipes, which ends the process
            try:
                process.communicate(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()

    def _ask(self, method: str, question: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(f"{self.root_url}/_standin/{question}", body, method=method)
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(request, timeout=_ASK_SECONDS) as answer:
            return json.load(answer)


def serve_parent(api_key: str) -> None:
    """Serve until standard input ends, which it does when the parent closes it or dies."""
    with StandIn(api_key=api_key) as api:
        sys.stdout.write(f"{api.root_url}\n")
        sys.stdout.flush()
        sys.stdout = sys.stderr  # nobody reads the pipe any more, and log lines would fill it
        sys.stdin.read()
