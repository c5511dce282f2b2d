"""Controls headless Chromium through a pipe, and reads what a page logs, what it requests, and what it looks like."""

from __future__ import annotations

import base64
import contextlib
import io
import json
import os
import select
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from PIL import Image

BINARY = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
_OPTIONS = (
    *("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars"),
    *("--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"),
    *("--disable-extensions", "--mute-audio", "--window-size=1200,1000", "--remote-debugging-pipe"),
)
_PATIENCE_SECONDS = 60
# The browser reads from file descriptor 3 and writes to 4, whatever the numbers of our pipes are
_LAUNCH = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(number), fcntl.F_DUPFD, 10) for number in sys.argv[1:3]]
for number, end in zip((3, 4), ends):
    os.dup2(end, number)
os.execv(sys.argv[3], sys.argv[3:])
"""


@dataclass
class Browser:
    """Controls one page of a browser through the DevTools protocol."""

    commands: int
    answers: int
    session: str = ""
    events: list[dict[str, Any]] = field(default_factory=list)
    _sent: int = 0
    _buffer: bytes = b""

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its answer; keep the events that come before the answer."""
        self._sent += 1
        message = {"id": self._sent, "method": method, "params": parameters}
        if self.session:
            message["sessionId"] = self.session
        os.write(self.commands, json.dumps(message).encode() + b"\0")
        while True:
            said = self._next()
            if said.get("id") == self._sent:
                assert "error" not in said, said
                result: dict[str, Any] = said["result"]
                return result
            self.events.append(said)

    def wait_for(self, event: str) -> None:
        """Wait until an event has come."""
        while not any(said.get("method") == event for said in self.events):
            self.events.append(self._next())

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self._buffer:
            ready, _, _ = select.select([self.answers], [], [], _PATIENCE_SECONDS)
            assert ready, "Chromium does not answer"
            read = os.read(self.answers, 1 << 20)
            assert read, "Chromium has ended"
            self._buffer += read
        line, _, self._buffer = self._buffer.partition(b"\0")
        message: dict[str, Any] = json.loads(line)
        return message

    def open(self, page: Path, *, scheme: str) -> None:
        """Open a file in light or dark mode, and wait until it is loaded."""
        target = self.ask("Target.createTarget", url="about:blank")["targetId"]
        self.session = self.ask("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Runtime", "Log"):
            self.ask(f"{domain}.enable")
        self.ask("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])
        self.events.clear()
        self.ask("Page.navigate", url=page.resolve().as_uri())
        self.wait_for("Page.loadEventFired")

    def evaluate(self, expression: str) -> Any:
        """Return the value of an expression that is evaluated in the page.

        The developer tools may run scripts even if the page itself may not.
        """
        return self.ask("Runtime.evaluate", expression=expression, returnByValue=True)["result"].get("value")

    def requests(self) -> list[str]:
        """Return every address that the page has requested."""
        sent = [said for said in self.events if said.get("method") == "Network.requestWillBeSent"]
        return [said["params"]["request"]["url"] for said in sent]

    def complaints(self) -> list[str]:
        """Return the messages of the console and the exceptions, each as JSON text."""
        methods = ("Runtime.consoleAPICalled", "Runtime.exceptionThrown", "Log.entryAdded")
        return [json.dumps(said["params"]) for said in self.events if said.get("method") in methods]

    def screenshot(self) -> Image.Image:
        """Return a picture of the whole page."""
        data = self.ask("Page.captureScreenshot", captureBeyondViewport=True, format="png")["data"]
        return Image.open(io.BytesIO(base64.b64decode(data))).convert("RGB")


@contextlib.contextmanager
def browser(profile: Path) -> Iterator[Browser]:
    """Start a browser with a profile of its own, and end it after the block."""
    assert BINARY is not None
    from_us, commands = os.pipe()
    answers, to_us = os.pipe()
    started = subprocess.Popen(
        [sys.executable, "-c", _LAUNCH, str(from_us), str(to_us), BINARY, *_OPTIONS, f"--user-data-dir={profile}"],
        pass_fds=(from_us, to_us),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    os.close(from_us)
    os.close(to_us)
    try:
        yield Browser(commands, answers)
    finally:
        os.close(commands)
        os.close(answers)
        started.terminate()
        started.wait(_PATIENCE_SECONDS)
