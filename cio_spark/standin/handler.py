"""Serves HTTP/1.1 on one connection, and routes each request to the API or to the inspection."""

from __future__ import annotations

from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from typing import Protocol, cast
from urllib.parse import urlsplit

from cio_spark.clock import Clock
from cio_spark.standin.contract import CALLS
from cio_spark.standin.inspection import PREFIX, Inspection
from cio_spark.standin.reception import Reception
from cio_spark.standin.response import Response, error_body
from cio_spark.standin.wire import UnreadableBodyError, read_body

API_PATHS = frozenset(f"/v1/{call}" for call in (*CALLS, "batch"))


class Services(Protocol):
    """Describes the parts that a server gives to the handler of each connection.

    Attributes:
        reception: serves the API.
        inspection: serves `/_standin/`.
        clock: waits for latencies and pauses.
    """

    reception: Reception
    inspection: Inspection
    clock: Clock


class Handler(BaseHTTPRequestHandler):
    """Serves a connection until the client leaves or an answer closes it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def serve_request(self) -> None:
        """Answer one request of any method."""
        path = urlsplit(self.path).path
        if self.command == "POST" and path in API_PATHS:
            self._serve_api(path)
        else:
            self._serve_other(path)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = serve_request  # noqa: N815  the names http.server looks for

    @property
    def _services(self) -> Services:
        return cast(Services, self.server)

    def _serve_api(self, path: str) -> None:
        reception = self._services.reception
        arrival = reception.arrive(path, self.headers, self.connection)
        try:
            answer = reception.receive(arrival, self.rfile)
            self._send(answer, arrival.visit.leave)
        finally:
            arrival.visit.leave()

    def _serve_other(self, path: str) -> None:
        try:
            body = read_body(self.rfile, self.headers)
        except UnreadableBodyError as error:
            answer = Response(error.status, error_body([error.reason], "errors"), close=True)
        else:
            if path in API_PATHS:
                answer = Response(405, error_body(["only POST"], "errors"), headers=(("Allow", "POST"),))
            elif path.startswith(PREFIX):
                answer = self._services.inspection.answer(self.command, self.path, body)
            else:
                answer = Response(404, error_body(["no such path"], "errors"))
        self._send(answer, lambda: None)

    def _send(self, answer: Response, before_last_byte: Callable[[], None]) -> None:
        if not answer.send(self.connection, self._services.clock, before_last_byte):
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Write no log line: the table `requests` of the store is the log."""
