"""Where a command's words go to no terminal, tables are not cut to the width of one."""

from __future__ import annotations

import pytest
import typer
from rich.console import Console

from cio_spark.cli_options import run_command
from cio_spark.errors import ExitStatus


def width_seen() -> int:
    seen: list[int] = []

    def look(console: Console) -> ExitStatus:
        seen.append(console.width)
        return ExitStatus.SUCCESS

    with pytest.raises(typer.Exit):
        run_command(look)
    (width,) = seen
    return width


def test_a_log_is_wide_enough_for_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert width_seen() == 180


def test_the_width_that_the_user_sets_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    assert width_seen() == 100
