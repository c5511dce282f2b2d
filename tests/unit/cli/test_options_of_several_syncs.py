"""Tests options of commands that work with several syncs, or with the blank parameters of a job."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cio_spark import runtime
from cio_spark.cli import app, report_command
from cio_spark.cli.run_command import run_each
from cio_spark.cli.selection import Selection
from cio_spark.cli.table_commands import one_per_tables
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import AuthenticationError, CioSparkError, ExitStatus
from cio_spark.pipeline.replay import Letters

CONF = str(Path(__file__).parents[3] / "conf" / "syncs")


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            ["report", "--output", "page.html"],
            "--output is one file, and there are 2 syncs: name a folder, like reports/",
        ),
        (
            ["report", "--output", "reports"],
            "--output is one file, and there are 2 syncs: name a folder, like reports/",
        ),
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


@pytest.mark.parametrize("command", ["sync", "replay"])
def test_after_a_refused_key_the_other_syncs_of_that_key_are_not_tried(
    command: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[str] = []

    def refuse(config: SyncConfig, **_: Any) -> SimpleNamespace:
        tried.append(config.sync.name)
        raise AuthenticationError("the key was refused", 401)

    monkeypatch.setattr("cio_spark.pipeline.run_sync", refuse)
    monkeypatch.setattr("cio_spark.pipeline.replay.replay_sync", refuse)
    monkeypatch.setattr(runtime, "find_api_key", lambda _: ApiKey("key"))
    monkeypatch.setattr(Selection, "open_session", lambda _: SimpleNamespace(spark=None, warehouse=None))
    result = CliRunner().invoke(app, [command, CONF])
    assert result.exit_code == ExitStatus.KEY_REFUSED
    assert tried == ["customers"]
    assert "orders: not started, its API key was refused a moment ago" in result.stdout
    assert "customers: the key was refused" in result.stderr
    assert "customers: the key was refused" not in result.stdout
    # On a terminal, which shows both, an error stands where its sync had its turn
    assert result.output.index("error: customers: the key was refused") < result.output.index("orders: not started")


@pytest.mark.parametrize("command", [["status"], ["explain", "--record", "7"]])
def test_a_folder_of_several_syncs_is_refused_by_a_command_about_one(command: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(app, [command[0], CONF, *command[1:]], env={"COLUMNS": "400"})
    assert result.exit_code == ExitStatus.CONFIGURATION_ERROR
    assert f"{CONF} has 2 sync files, and this command is about one: name it" in result.stderr
    shutil.copy(Path(CONF) / "orders.yml", tmp_path)
    assert Selection([tmp_path]).load_one().sync.name == "orders"


@pytest.mark.parametrize("blank", ["", "  "])
@pytest.mark.parametrize("command", ["sync", "status"])
def test_a_blank_folder_is_refused_and_not_taken_for_the_current_one(command: str, blank: str) -> None:
    result = CliRunner().invoke(app, [command, blank], env={"COLUMNS": "200"})
    assert result.exit_code == ExitStatus.CONFIGURATION_ERROR
    assert "is blank: name a sync file, or a folder of them" in result.stderr


@pytest.mark.parametrize(
    ("output", "pages"),
    [
        ("page.html", ["page.html"]),
        ("page", ["page"]),
        ("there", ["there/orders-report.html"]),
        ("there/", ["there/orders-report.html"]),
        ("new.d/", ["new.d/orders-report.html"]),
        (None, ["orders-report.html"]),
    ],
)
def test_the_output_of_a_report_is_a_folder_only_if_one_is_there_or_a_slash_says_so(
    output: str | None, pages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "there").mkdir()
    monkeypatch.chdir(tmp_path)
    written: list[str] = []
    monkeypatch.setattr(report_command, "load_report_writer", lambda: lambda *said, **_: written.append(str(said[2])))
    monkeypatch.setattr("cio_spark.results.are_set_up", lambda _: True)
    monkeypatch.setattr(Selection, "open_session", lambda _: SimpleNamespace(spark=None, warehouse=tmp_path))
    options = [] if output is None else ["--output", output]
    assert CliRunner().invoke(app, ["report", f"{CONF}/orders.yml", *options]).exit_code == 0
    assert written == pages


def test_with_debug_an_error_of_ours_is_still_a_sentence_and_a_status_and_others_are_raised() -> None:
    def fail(_: SyncConfig) -> ExitStatus:
        raise CioSparkError("lost")

    configs = Selection([Path(CONF)]).load()
    for some in (configs[:1], configs):
        assert run_each(some, fail, debug=True) is ExitStatus.INTERNAL_ERROR
    with pytest.raises(ZeroDivisionError):
        run_each(configs, lambda _: ExitStatus(1 // 0), debug=True)


def test_tables_are_maintained_once_whatever_the_number_of_syncs() -> None:
    configs = Selection([Path(CONF)]).load()
    moved = configs[0].model_copy(update={"tables": configs[0].tables.model_copy(update={"database": "other"})})
    assert one_per_tables([*configs, moved, *configs]) == [configs[0], moved]
