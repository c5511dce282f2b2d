"""Names the forms of log lines; the delivery's settings bring the form to the executors."""

from __future__ import annotations

from enum import Enum


class LogStyle(str, Enum):
    """Lists the forms that a log line can have: the values of `--log`."""

    JSON = "json"
    """Each line is one JSON object."""
    TEXT = "text"
    """Each line is for people: time, level, event, and `field=value`."""
    OFF = "off"
    """There are no lines: the progress display and the tables of a terminal tell the same."""
