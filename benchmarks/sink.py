"""Opens the server to which the benchmarks send.

The server is nginx on loopback, which answers at once, or the stand-in if nginx is not installed.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import socket
import subprocess
import tempfile
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from cio_spark.clock import SystemClock
from cio_spark.standin.process import StandInProcess

API_KEY = "standin-key"
_START_SECONDS = 10.0

_CONFIGURATION = """
{user}worker_processes 1;
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{ worker_connections 512; }}
http {{
  access_log off;
  client_max_body_size 8m;
  client_body_buffer_size 1m;
  keepalive_requests 10000000;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  default_type application/json;
  server {{
    listen 127.0.0.1:{port};
    location = /status {{ stub_status; }}
    location / {{ return 200 '{{}}'; }}
  }}
}}
"""


@dataclass(frozen=True)
class Sink:
    """Describes a running sink.

    Attributes:
        name: name of the sink for people.
        root_url: `http://127.0.0.1:PORT`.
        requests: returns the number of requests that the sink has answered so far.
        clear: makes the sink forget what it keeps, so that later rounds do not become slower.
    """

    name: str
    root_url: str
    requests: Callable[[], int]
    clear: Callable[[], None]


@contextlib.contextmanager
def open_sink() -> Iterator[Sink]:
    """Open nginx if it is installed, else the stand-in, and stop it at the end of the block."""
    nginx = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")
    if nginx is not None:
        with _nginx(nginx) as sink:
            yield sink
        return
    with StandInProcess(API_KEY) as api:
        name = "the stand-in (apt install nginx-light gives a faster sink)"
        yield Sink(name, api.root_url, lambda: int(api.summary()["requests"]), api.clear)


@contextlib.contextmanager
def _nginx(program: str) -> Iterator[Sink]:
    with tempfile.TemporaryDirectory(prefix="cio-spark-nginx-") as folder:
        port = _free_port()
        user = "user root;\n" if os.geteuid() == 0 else ""
        configuration = Path(folder) / "nginx.conf"
        configuration.write_text(_CONFIGURATION.format(user=user, folder=folder, port=port), encoding="utf-8")
        server = subprocess.Popen(
            [program, "-p", folder, "-c", str(configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        try:
            _wait_for(port, server)
            root_url = f"http://127.0.0.1:{port}"
            yield Sink("nginx", root_url, lambda: _answered(root_url), lambda: None)
        finally:
            server.terminate()
            server.wait(_START_SECONDS)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_for(port: int, server: subprocess.Popen[bytes]) -> None:
    clock = SystemClock()
    deadline = clock.monotonic() + _START_SECONDS
    while clock.monotonic() < deadline and server.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        clock.sleep(0.05)
    raise SystemExit("nginx did not start")


def _answered(root_url: str) -> int:
    """Return the third number under `server accepts handled requests` on nginx's status page.

    The request for the page itself is counted too.
    """
    with urllib.request.urlopen(f"{root_url}/status", timeout=5) as answer:
        numbers = re.findall(r"\d+", answer.read().decode())
    return int(numbers[3])
