"""Tests the width of a command's output, and `--same-workspace`.

Tables are not cut to the width of a terminal if the output does not go to a terminal.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import typer
from rich.console import Console
from typer.testing import CliRunner

from cio_spark import runtime
from cio_spark.cli import app
from cio_spark.cli.run_command import run_command
from cio_spark.cli.selection import Selection
from cio_spark.config import ApiKey
from cio_spark.errors import ExitStatus
from cio_spark.model import Books, DeliveryCounts, StateCounts


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
    for width in (80, 100):  # 80 is also what is taken for a width that nobody knows
        monkeypatch.setenv("COLUMNS", str(width))
        assert width_seen() == width


@pytest.mark.parametrize("command", ["sync", "replay"])
def test_that_an_address_leads_to_the_same_workspace_is_said_for_one_run(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[bool] = []

    def listen(*_: Any, same_workspace: bool, **__: Any) -> SimpleNamespace:
        said.append(same_workspace)
        return SimpleNamespace(
            exit_status=ExitStatus.SUCCESS, run_id="R", books=Books(StateCounts(0), DeliveryCounts())
        )

    monkeypatch.setattr("cio_spark.pipeline.run_sync", listen)
    monkeypatch.setattr("cio_spark.pipeline.replay.replay_sync", listen)
    monkeypatch.setattr(runtime, "find_api_key", lambda _: ApiKey("key"))
    monkeypatch.setattr(Selection, "open_session", lambda _: SimpleNamespace(spark=None, warehouse=None))
    for options in ([], ["--same-workspace"]):
        assert CliRunner().invoke(app, [command, "conf/syncs/orders.yml", *options]).exit_code == 0
    assert said == [False, True]
