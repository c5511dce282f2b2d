"""Tests options of commands that work with several syncs, or with the blank parameters of a job."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cio_spark import runtime
from cio_spark.cli import app
from cio_spark.cli.selection import Selection
from cio_spark.cli.table_commands import one_per_tables
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.pipeline.replay import Letters

CONF = str(Path(__file__).parents[3] / "conf" / "syncs")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["report", "--output", "page.html"], "--output is one file, and there are 2 syncs: name a folder"),
        (["analyze", "--suggest", "faster.yml"], "--suggest is about one sync, and there are 2: name one"),
    ],
)
def test_a_file_for_one_sync_is_refused_for_several_before_spark_starts(command: list[str], told: str) -> None:
    result = CliRunner().invoke(app, [command[0], CONF, *command[1:]], env={"COLUMNS": "200"})
    assert result.exit_code == ExitStatus.CONFIGURATION_ERROR
    assert told in result.output.replace(": is", " is").replace("--output:", "--output")


@pytest.mark.parametrize(
    ("options", "letters"),
    [
        (["--run=", "--category=", "--record="], Letters()),
        (["--run=R", "--category=", "--record=7"], Letters(run="R", record="7")),
    ],
)
def test_a_blank_parameter_of_a_replay_selects_all_letters_of_every_sync(
    options: list[str], letters: Letters, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, Any]] = []

    def replay_sync(config: SyncConfig, *, letters: Letters, **_: Any) -> SimpleNamespace:
        asked.append((config.sync.name, letters))
        return SimpleNamespace(exit_status=ExitStatus.SUCCESS)

    monkeypatch.setattr("cio_spark.pipeline.replay.replay_sync", replay_sync)
    monkeypatch.setattr(runtime, "find_api_key", lambda _: ApiKey("key"))
    monkeypatch.setattr(Selection, "open_session", lambda _: SimpleNamespace(spark=None, warehouse=None))
    assert CliRunner().invoke(app, ["replay", CONF, *options]).exit_code == 0
    assert asked == [("customers", letters), ("orders", letters)]


def test_tables_are_maintained_once_whatever_the_number_of_syncs() -> None:
    configs = Selection([Path(CONF)]).load()
    moved = configs[0].model_copy(update={"tables": configs[0].tables.model_copy(update={"database": "other"})})
    assert one_per_tables([*configs, moved, *configs]) == [configs[0], moved]
