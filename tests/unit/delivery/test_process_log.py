"""Tests the log lines of a worker process.

They report failures by code and not often, report the circuit, and contain nothing of what was sent or answered.
"""

from __future__ import annotations

import json
import re
from itertools import pairwise
from typing import Any

import pytest
from delivery_world import JudgingClient, ScriptedClient, deliver, refusing, row, settings_for

from cio_spark.clock import FakeClock
from cio_spark.config import ErrorHandlingStrategy
from cio_spark.delivery import ProcessState
from cio_spark.delivery.exchange import Answer
from cio_spark.delivery.process_log import SECONDS_BETWEEN_LINES
from cio_spark.logs.events import BINDINGS, FIELDS, Event
from cio_spark.logs.style import LogStyle

LOGGED = {"log_style": LogStyle.JSON, "sync": "orders"}


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    said = capsys.readouterr()
    assert said.out == ""
    found = [json.loads(line) for line in said.err.splitlines()]
    for line in found:
        assert list(line) == ["timestamp", "level", "event", *BINDINGS, *FIELDS[Event(line["event"])]]
    return found


def test_a_failure_is_one_line_with_its_place_and_code(capsys: pytest.CaptureFixture[str]) -> None:
    client = ScriptedClient(Answer(503, "MARKED answer"), Answer(200))
    deliver(settings_for(lanes=1, **LOGGED), [row(1)], client_factory=lambda: client)
    (line,) = lines(capsys)
    assert re.fullmatch(r".+-\d+", line.pop("worker"))
    assert line.pop("timestamp").endswith("Z")
    assert line == {
        "level": "warning",
        "event": "request_failures",
        "run_id": "run",
        "sync": "orders",
        "wave": 2,
        "partition": 7,
        "lane": 0,
        "category": "server",
        "code": "http_503",
        "http_status": 503,
        "count": 1,
    }


def test_of_one_code_a_process_says_a_line_every_few_seconds_with_what_has_come_since(
    capsys: pytest.CaptureFixture[str],
) -> None:
    clock = FakeClock()
    # Every request takes a second and fails; another code comes in between
    answers = [Answer(503, "")] * 11 + [Answer(500, "")] + [Answer(503, "")] * 4

    class Slow(ScriptedClient):
        def post_batch(self, *arguments: Any, **options: Any) -> Answer:
            clock.seconds += 1.0
            return super().post_batch(*arguments, **options)

    client = Slow(*answers)
    settings = settings_for(
        max_records=1, circuit_failures=0, error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR, **LOGGED
    )
    deliver(settings, [row(number) for number in range(len(answers))], clock, lambda: client)
    said = [(line["code"], line["count"], line["timestamp"]) for line in lines(capsys)]
    assert [(code, count) for code, count, _ in said] == [
        ("http_503", 1),
        ("http_503", 5),
        ("http_503", 5),
        ("http_500", 1),
        ("http_503", 4),
    ]
    seconds = [int(at[17:19]) for code, _, at in said if code == "http_503"]
    assert all(later - earlier >= SECONDS_BETWEEN_LINES for earlier, later in pairwise(seconds))


def test_lanes_and_partitions_of_a_process_share_what_may_be_said(capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_for(
        lanes=3, max_records=1, circuit_failures=0, error_handling=ErrorHandlingStrategy.CONTINUE_ON_ERROR, **LOGGED
    )
    process = ProcessState(settings, FakeClock(), lambda: ScriptedClient(Answer(503, "")))
    for _ in range(2):
        deliver(settings, [row(number, lane=number % 3) for number in range(9)], process=process)
    process.close()
    assert len(lines(capsys)) == 1


def test_the_circuit_says_when_it_opens_when_it_closes_and_when_it_gives_up(capsys: pytest.CaptureFixture[str]) -> None:
    settings = settings_for(max_records=1, circuit_failures=2, retry_attempts=5, **LOGGED)
    client = ScriptedClient(*[Answer(503, "")] * 3, Answer(200))
    deliver(settings, [row(1), row(2)], client_factory=lambda: client)
    circuit = [line for line in lines(capsys) if line["event"] != "request_failures"]
    assert [(line["event"], line["level"], line.get("seconds")) for line in circuit] == [
        ("circuit_opened", "warning", 5.0),
        ("circuit_closed", "info", None),
    ]
    assert {(line["run_id"], line["sync"], line["partition"], line["lane"]) for line in circuit} == {
        ("run", "orders", 7, 0)
    }
    hopeless = settings_for(circuit_failures=2, circuit_budget_seconds=20.0, retry_attempts=10, **LOGGED)
    deliver(hopeless, [row(1)], client_factory=lambda: ScriptedClient(Answer(503, "")))
    events = [line["event"] for line in lines(capsys) if line["event"] != "request_failures"]
    assert events == ["circuit_opened", "circuit_gave_up"]


def test_no_line_has_a_value_an_id_a_word_of_the_api_or_the_key(capsys: pytest.CaptureFixture[str]) -> None:
    client = JudgingClient(refusing({3}))
    client._judge = lambda found: Answer(400, "MARKED words") if 3 in found else Answer(200)
    deliver(settings_for(**LOGGED), [row(number) for number in range(8)], client_factory=lambda: client)
    said = json.dumps(lines(capsys))
    assert "http_400" in said
    for secret in ("MARKED", "person-3", "r-3", "id-3", "Order Placed", "standin-key"):
        assert secret not in said


def test_lines_of_text_are_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    client = ScriptedClient(Answer(503, ""), Answer(200))
    deliver(settings_for(log_style=LogStyle.TEXT, sync="orders"), [row(1)], client_factory=lambda: client)
    assert re.fullmatch(
        r"\S+Z warning request_failures run_id=run sync=orders wave=2 partition=7 lane=0 worker=\S+ category=server "
        r"code=http_503 http_status=503 count=1\n",
        capsys.readouterr().err,
    )


def test_unless_it_is_asked_for_a_worker_says_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    deliver(settings_for(), [row(1)], client_factory=lambda: ScriptedClient(Answer(503, ""), Answer(200)))
    assert capsys.readouterr() == ("", "")
