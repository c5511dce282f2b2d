"""Tests the events of the log.

Each event is one line with every field in its place, and the user's own configuration of logging stays in force.
"""

from __future__ import annotations

import io
import json
import logging
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import structlog
from structlog.typing import EventDict

from cio_spark.clock import FakeClock
from cio_spark.logs.command_line import choose_style, logs_configured
from cio_spark.logs.event_log import EventLog
from cio_spark.logs.events import BINDINGS, FIELDS, LEVELS, Event
from cio_spark.logs.lines import render_line
from cio_spark.logs.style import LogStyle

NOON = "2026-01-31T12:00:00.000Z"


@pytest.fixture(autouse=True)
def _unconfigured() -> Iterator[None]:
    structlog.reset_defaults()
    yield
    structlog.reset_defaults()


def lines_of(style: LogStyle) -> list[str]:
    """Return the lines of one event of each kind that matters here."""
    stream = io.StringIO()
    with logs_configured(style, stream, FakeClock()):
        EventLog("orders", "r1").write(Event.WAVE_RETRIED, wave=2, attempt=2, reason="executor_lost")
        EventLog("orders").write(Event.ALERTS_NOT_TOLD, error="no webhook is set")
        structlog.get_logger("else").error("someone_elses", why="x y", exc_info=True)
    return stream.getvalue().splitlines()


def test_a_json_line_has_time_level_event_and_bindings_first_then_every_field() -> None:
    retried, not_told, other = (json.loads(line) for line in lines_of(LogStyle.JSON))
    assert list(retried.items()) == [
        ("timestamp", NOON),
        ("level", "warning"),
        ("event", "wave_retried"),
        ("run_id", "r1"),
        ("sync", "orders"),
        ("wave", 2),
        ("attempt", 2),
        ("reason", "executor_lost"),
    ]
    assert not_told["run_id"] is None
    # A stack trace may quote values
    assert other == {"timestamp": NOON, "level": "error", "event": "someone_elses", "why": "x y"}


def test_a_text_line_is_for_people() -> None:
    assert lines_of(LogStyle.TEXT) == [
        f"{NOON} warning wave_retried run_id=r1 sync=orders wave=2 attempt=2 reason=executor_lost",
        f'{NOON} warning alerts_not_told sync=orders error="no webhook is set"',
        f'{NOON} error someone_elses why="x y"',
    ]


def test_with_off_only_what_a_terminal_shows_in_no_other_way_is_said() -> None:
    assert [line.split()[2] for line in lines_of(LogStyle.OFF)] == ["alerts_not_told", "someone_elses"]


def test_a_text_with_line_ends_stays_in_its_line() -> None:
    for style in (LogStyle.JSON, LogStyle.TEXT):
        assert "\n" not in render_line(style, {"timestamp": NOON, "level": "info", "event": "e", "error": "a\nb\x85c"})


def test_unnamed_fields_are_null_and_unknown_ones_left_out() -> None:
    stream = io.StringIO()
    with logs_configured(LogStyle.JSON, stream, FakeClock()):
        EventLog("orders").write(Event.CLAIM_LOST, payload="secret")
    line = json.loads(stream.getvalue())
    assert set(line) == {"timestamp", "level", "event", *BINDINGS, "wave"}
    assert line["wave"] is None


def test_a_command_puts_the_configuration_back() -> None:
    with logs_configured(LogStyle.JSON, io.StringIO(), FakeClock()):
        assert structlog.is_configured()
    assert not structlog.is_configured()
    mine = [structlog.processors.KeyValueRenderer()]
    structlog.configure(processors=mine)
    with logs_configured(LogStyle.JSON, io.StringIO(), FakeClock()):
        assert structlog.get_config()["processors"] is not mine
    assert structlog.get_config()["processors"] is mine


def test_a_reader_that_has_gone_ends_nothing() -> None:
    stream = io.StringIO()
    stream.close()
    with logs_configured(LogStyle.JSON, stream, FakeClock()):
        EventLog("orders").write(Event.CLAIM_LOST)


@pytest.mark.parametrize(
    ("asked", "on_terminal", "chosen"),
    [
        (None, True, LogStyle.OFF),
        (None, False, LogStyle.JSON),
        (LogStyle.TEXT, True, LogStyle.TEXT),
        (LogStyle.OFF, False, LogStyle.OFF),
    ],
)
def test_a_terminal_gets_no_lines_unless_asked_for(asked: LogStyle | None, on_terminal: bool, chosen: LogStyle) -> None:
    assert choose_style(asked, on_terminal=on_terminal) is chosen


def write_two() -> None:
    log = EventLog("orders", "r1")
    log.write(Event.LOST_RUN_SETTLED, lost_run_id="r0")
    log.write(Event.CLAIM_LOST, wave=3)


def test_as_a_library_without_any_configuration_nothing_but_warnings_is_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # pytest has set up logging; this imitates a process in which nobody has
    monkeypatch.setattr(logging.getLogger("cio_spark"), "propagate", False)
    monkeypatch.setattr(logging, "lastResort", logging.StreamHandler(sys.stderr))
    logging.lastResort.setLevel(logging.WARNING)  # type: ignore[union-attr]  # set above
    write_two()
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "claim_lost run_id=r1 sync=orders wave=3\n")


def test_as_a_library_events_go_to_the_standard_librarys_logger(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="cio_spark")
    write_two()
    settled, lost = caplog.records
    assert (settled.name, settled.levelname, lost.levelname) == ("cio_spark", "INFO", "ERROR")
    assert settled.getMessage() == "lost_run_settled run_id=r1 sync=orders lost_run_id=r0"
    assert (settled.__dict__["event"], settled.__dict__["lost_run_id"], lost.__dict__["wave"]) == (
        "lost_run_settled",
        "r0",
        3,
    )


def test_as_a_library_events_go_the_way_of_the_users_structlog() -> None:
    seen: list[dict[str, Any]] = []

    def keep(_: Any, method: str, entry: EventDict) -> str:
        seen.append({"method": method, **entry})
        raise structlog.DropEvent

    structlog.configure(processors=[keep])
    write_two()
    assert [(entry["method"], entry["event"], entry["run_id"]) for entry in seen] == [
        ("info", "lost_run_settled", "r1"),
        ("error", "claim_lost", "r1"),
    ]


def test_every_event_has_fields_that_every_kind_of_log_can_carry() -> None:
    assert set(FIELDS) == set(Event)
    assert set(LEVELS) <= set(Event)
    record = logging.LogRecord("n", 20, "p", 1, "m", None, None)
    taken = {*record.__dict__, "message", "asctime", "timestamp", "level", "event", *BINDINGS}
    for event, fields in FIELDS.items():
        assert len(set(fields)) == len(fields), event
        assert not set(fields) & taken, event


LIGHT = """
import sys
import cio_spark.delivery.partition, cio_spark.delivery.process_log, cio_spark.delivery.settings
print([name for name in ("structlog", "asyncio", "pyspark", "rich", "typer") if name in sys.modules])
"""


def test_the_workers_of_a_cluster_load_no_more_than_they_need() -> None:
    done = subprocess.run([sys.executable, "-c", LIGHT], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = "import sys, cio_spark; print('structlog' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout.strip() == "False"
