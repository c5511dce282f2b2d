"""Says how log lines are written; travels to the executors with the delivery's settings."""

from __future__ import annotations

from enum import Enum


class LogStyle(str, Enum):
    """Names the forms that a log line can have: the values of `--log`."""

    JSON = "json"
    """One JSON object a line."""
    TEXT = "text"
    """Time, level, event, and `field=value` for people."""
    OFF = "off"
    """No lines: the progress display and the tables of a terminal say it."""
