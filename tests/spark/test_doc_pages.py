"""Runs the commands, SQL and Python of the pages as a reader would, with the stand-in in place of Customer.io.

`tests/unit/docs/test_blocks.py` checks all blocks; here are those that can be run. docs/cookbook.md has a test of its
own.
"""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from doc_blocks import Block, blocks_in
from doc_commands import Command, commands_of
from doc_texts import statements_of
from doc_world import SHOP, DocWorld
from doc_yaml import Kind, kind_of
from pyspark.sql import SparkSession
from typer.testing import CliRunner

import cio_spark
from cio_spark.cli import app
from cio_spark.standin import StandIn

COOKBOOK = "docs/cookbook.md"
RUN_ELSEWHERE = {
    "standin": "tests/unit/standin/test_process.py; a server without an end",
    "demo": "tests/spark/test_demo_data.py",
}
NEEDS_A_WORKSPACE = ("ALTER CATALOG", "CREATE CATALOG", "CREATE EXTERNAL", "CREATE VOLUME", "GRANT", "REVOKE", "USE")
"""Words with which SQL statements begin that only Unity Catalog understands."""
PAGES_WITH_PYTHON = ("docs/configuration.md", "docs/delivery.md", "docs/logging.md", "docs/python.md")
"""Pages whose Python runs outside of Databricks; that of other pages is only compiled."""
EXIT_STATUSES = {"monitor": {0, 8, 9}}


def can_be_run(command: Command) -> bool:
    """Tell whether a command is one of ours, with a place and values that a test has."""
    return (
        command.program == "cio-spark"
        and command.words[1] not in RUN_ELSEWHERE
        and not any(sign in word for word in command.words for sign in ("$", "{{", "…", "<", "/Volumes/"))
    )


def distinct_commands() -> list[Command]:
    """Return the commands of all pages that can be run, each once, in the order of the pages."""
    commands: dict[tuple[str, ...], Command] = {}
    for block in blocks_in("sh", "bash", "shell"):
        for command in commands_of(block):
            if can_be_run(command):
                commands.setdefault(tuple(command.words), command)
    return list(commands.values())


def run(words: list[str]) -> tuple[int, str]:
    """Run a command as a shell does, which replaces a pattern by the files that fit, and return its end and output."""
    expanded = [file for word in words[1:] for file in (sorted(map(str, Path().glob(word))) if "*" in word else [word])]
    result = CliRunner().invoke(app, expanded)
    return result.exit_code, result.output


@pytest.fixture(scope="module")
def world(spark: SparkSession, tmp_path_factory: pytest.TempPathFactory) -> Iterator[DocWorld]:
    """Yield a world in which the first sync of the README has run, with its own file."""
    (sync,) = [block.text for block in blocks_in("yaml") if block.heading == "A first sync of your own"]
    with StandIn() as api, pytest.MonkeyPatch.context() as patch:
        world = DocWorld.build(spark, tmp_path_factory.mktemp("pages"), api).enter(patch)
        world.run_sql(SHOP)
        (world.folder / "conf" / "syncs" / "orders.yml").write_text(sync, encoding="utf-8")
        for words in (["cio-spark", "sync"], ["cio-spark", "setup"]):
            status, said = run([*words, "conf/syncs/orders.yml"])
            assert status == 0, said
        yield world


@pytest.mark.parametrize("block", [block for block in blocks_in("sql") if block.page != COOKBOOK], ids=str)
def test_every_statement_of_a_page_runs_on_the_tables_of_a_sync(world: DocWorld, block: Block) -> None:
    for statement in statements_of(block.text):
        if not statement.upper().startswith(NEEDS_A_WORKSPACE):
            world.run_sql(statement)


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize("command", distinct_commands(), ids=str)
def test_every_command_of_a_page_runs(command: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in command.environment.items():
        monkeypatch.setenv(name, value)
    status, said = run(command.words)
    assert status in EXIT_STATUSES.get(command.words[1], {0}), said


@pytest.mark.slow
def test_the_addresses_of_the_stand_in_that_pages_ask_are_there(world: DocWorld) -> None:
    commands = [command for block in blocks_in("sh", "bash", "shell") for command in commands_of(block)]
    asked = [
        word for command in commands if command.program == "curl" for word in command.words if "/_standin/" in word
    ]
    assert asked
    for address in asked:
        assert urlsplit(address).netloc == "127.0.0.1:8087"
        with urllib.request.urlopen(f"{world.api.root_url}{urlsplit(address).path}", timeout=10) as answer:
            assert answer.status == 200


@pytest.mark.slow
@pytest.mark.usefixtures("world")
@pytest.mark.parametrize(
    "block",
    [
        block
        for block in blocks_in("yaml")
        if block.page != COOKBOOK and kind_of(next(yaml.safe_load_all(block.text))) is Kind.SYNC
    ],
    ids=str,
)
def test_every_sync_file_of_a_page_fits_its_table(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "page.yml"
    file.write_text(block.text, encoding="utf-8")
    status, said = run(["cio-spark", "sync", str(file), "--dry-run", "--set", "sync.name=page"])
    assert status == 0, said


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES_WITH_PYTHON)
def test_the_python_of_a_page_runs_from_top_to_bottom(
    world: DocWorld, page: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with cio_spark.CustomerIOClient(world.api.api_key, base_url=world.api.url, enable_logging=False) as client:
        names: dict[str, Any] = {"spark": world.spark, "client": client}
        send_to_the_stand_in(world, monkeypatch)
        for block in blocks_in("python"):
            if block.page == page and "def test_" not in block.text:
                exec(compile(block.text, str(block), "exec"), names)
    if page == "docs/python.md":
        assert (names["result"].exit_status, names["preview"].plan is not None) == (0, True)
        assert capsys.readouterr().out.startswith("0 ")
    if page == "docs/delivery.md":
        assert [job.job_name for job in names["done"]] == ["urgent", "nightly"]
        assert [job.processed_records for job in names["done"]] == [1, 1]


def send_to_the_stand_in(world: DocWorld, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the functions that a page imports use the stand-in, and the local tables in place of a catalog."""
    load, sync, preview = cio_spark.load_config, cio_spark.run_sync, cio_spark.pipeline.preview_sync

    def load_config(path: str, **arguments: Any) -> Any:
        overrides = [*arguments.pop("overrides", ()), f"api.base_url={world.api.url}", "tables.catalog=null"]
        return load(path, overrides=overrides, **arguments)

    monkeypatch.setattr(cio_spark, "load_config", load_config)
    monkeypatch.setattr(cio_spark, "run_sync", functools.partial(sync, warehouse=world.warehouse))
    monkeypatch.setattr(cio_spark.pipeline, "preview_sync", functools.partial(preview, warehouse=world.warehouse))


@pytest.mark.slow
@pytest.mark.parametrize("block", [block for block in blocks_in("python") if "def test_" in block.text], ids=str)
def test_the_tests_that_a_page_shows_pass(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "test_page.py"
    file.write_text(block.text, encoding="utf-8")
    # Variables that other tests have set for their own sessions are of no use to this one
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith(("PYSPARK_GATEWAY", "CIO_"))
    }
    root = str(Path(cio_spark.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)],
        cwd=tmp_path,
        env={**environment, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-3000:]
