"""Answers questions about the stand-in and takes faults from outside, under `/_standin/`.

No key is needed, because the stand-in listens on loopback unless another address is given.
"""

from __future__ import annotations

import json
from urllib.parse import parse_qs, urlsplit

from pydantic import TypeAdapter, ValidationError

from cio_spark.standin.faults import Fault, FaultScript
from cio_spark.standin.received import Received
from cio_spark.standin.response import Response, error_body
from cio_spark.standin.traffic import Traffic

PREFIX = "/_standin/"
DEFAULT_LIMIT = 100
"""Number of messages in an answer if the query has no `limit`."""

_FAULTS = TypeAdapter(list[Fault])


class Inspection:
    """Answers `GET summary|messages|duplicates|requests|dropped`, `POST|DELETE faults`, `DELETE received`.

    Args:
        received: messages and requests that can be asked for.
        script: keeps the faults.
        traffic: adds its counts to the summary.
    """

    def __init__(self, received: Received, script: FaultScript, traffic: Traffic) -> None:
        self._received = received
        self._script = script
        self._traffic = traffic

    def answer(self, method: str, target: str, body: bytes) -> Response:
        """Answer one request.

        Args:
            method: GET, POST or DELETE.
            target: path and query, such as `/_standin/messages?person=7`.
            body: body of a POST: a JSON list of faults, with the fields of `Fault`.
        """
        parts = urlsplit(target)
        question = {name: values[-1] for name, values in parse_qs(parts.query).items()}
        action = f"{method} {parts.path.removeprefix(PREFIX)}"
        if action == "GET summary":
            return _json({**self._received.summary(), **self._traffic.summary()})
        if action == "GET messages":
            return self._messages(question)
        if action == "GET duplicates":
            return _json(self._received.duplicates())
        if action == "GET requests":
            return _json(self._received.requests())
        if action == "GET dropped":
            return _json(self._received.dropped())
        if action == "POST faults":
            return self._add_faults(body)
        if action == "DELETE faults":
            self._script.clear()
            return _json({})
        if action == "DELETE received":
            self._received.clear()
            self._traffic.clear()
            return _json({})
        return Response(404, error_body([f"there is no {action}"], "errors"))

    def _messages(self, question: dict[str, str]) -> Response:
        limit = question.get("limit", str(DEFAULT_LIMIT))
        if not limit.isdecimal() or len(limit) > 9:
            return Response(400, error_body(["limit is not a number"], "errors"))
        if "message_id" in question:
            return _json(self._received.by_message_id(question["message_id"])[: int(limit)])
        if "person" in question:
            return _json(self._received.by_person(question["person"])[: int(limit)])
        return _json(self._received.first(int(limit)))

    def _add_faults(self, body: bytes) -> Response:
        try:
            faults = _FAULTS.validate_json(body)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors(include_url=False)]
            return Response(400, error_body(problems, "errors"))
        self._script.extend(faults)
        return _json({"added": len(faults)})


def _json(value: object) -> Response:
    return Response(200, json.dumps(value, indent=1).encode() + b"\n")
