"""Tests the layer rules on the syntax trees: which imports and calls each module may have."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cio_spark"
FOUNDATION = frozenset(
    {
        "batch_facts",
        "clock",
        "counts",
        "coverage",
        "errors",
        "extras",
        "fold",
        "ids",
        "lazy_names",
        "model",
        "result_html",
        "schemas",
        "statuses",
        "task_attempt",
        "version",
    }
)
STAGES = frozenset({"source", "payload", "validation", "ledger", "planning", "delivery", "results"})
FLOORS: tuple[frozenset[str], ...] = (
    FOUNDATION,
    frozenset({"config", "logs", "standin"}),
    frozenset({"runtime"}),
    frozenset({"spark"}),
    STAGES,
    frozenset({"analysis"}),
    frozenset({"monitoring"}),
    frozenset({"pipeline"}),
    frozenset({"explain", "report"}),
    frozenset({"notebook"}),
    frozenset({"__init__"}),
    frozenset({"cli"}),
    frozenset({"demo"}),
)
"""The layers from bottom to top: a file imports from its own folder and from the layers below it.

`DOORS` lists the exceptions: the command `demo` of `cli` starts the demo, which is a layer above it.
"""
DOORS = {"cli/local_commands.py": {"demo"}}
FILES = sorted(PACKAGE.rglob("*.py"))


def relative(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def imports(file: Path) -> set[str]:
    """Return the full names of everything that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def calls_and_attributes(file: Path) -> set[str]:
    """Return `a.b` and `.b` of every attribute access, and `f` of every plain call."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(f".{node.attr}")
            if isinstance(node.value, ast.Name):
                found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.add(node.func.id)
    return found


def folder_of(file: Path) -> str:
    """Return the folder of a file, or the name of the module if the file is at the top level."""
    return relative(file).split("/")[0].removesuffix(".py")


def folders_imported(file: Path) -> set[str]:
    """Return the folders of the package that a file imports from, without its own folder."""
    parts = [name.split(".") for name in imports(file) if name.startswith("cio_spark.")]
    return {names[1] for names in parts} - {folder_of(file)}


def test_every_folder_has_its_floor() -> None:
    assert {folder_of(file) for file in FILES} == frozenset().union(*FLOORS)


@pytest.mark.parametrize("number", range(len(FLOORS)))
def test_a_file_imports_from_the_floors_below_only(number: int) -> None:
    below = frozenset().union(*FLOORS[:number]) | (FOUNDATION if number == 0 else frozenset())
    found = {
        relative(file): wrong
        for file in FILES
        if folder_of(file) in FLOORS[number]
        and (wrong := folders_imported(file) - below - DOORS.get(relative(file), set()))
    }
    assert found == {}


def test_only_the_pipeline_and_what_stands_on_it_know_several_stages() -> None:
    knowing = {folder_of(file) for file in FILES if len(folders_imported(file) & STAGES) > 1}
    assert knowing <= {"pipeline", "notebook"}


def test_the_notebooks_names_are_a_facade() -> None:
    assert {folder_of(file) for file in FILES if "notebook" in folders_imported(file)} <= {"__init__", "cli"}


@pytest.mark.parametrize("library", ["rich", "typer"])
def test_only_the_command_line_draws_on_a_terminal(library: str) -> None:
    assert {name.split("/")[0] for name in files_importing(library)} <= {"cli", "demo"}


def test_no_module_imports_itself_in_a_circle() -> None:
    modules = {".".join(("cio_spark", *file.relative_to(PACKAGE).with_suffix("").parts)): file for file in FILES}
    # Imports inside functions and for types alone count too: no module may need a module that needs it
    edges = {name: imports(file) & modules.keys() - {name} for name, file in modules.items()}
    assert circles(edges) == set()


def circles(edges: dict[str, set[str]]) -> set[str]:
    """Return the modules that can be reached from themselves."""

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = list(edges[start])
        while waiting:
            if (one := waiting.pop()) not in seen:
                seen.add(one)
                waiting += edges[one]
        return seen

    return {name for name in edges if name in reach(name)}


def test_workers_load_nothing_that_only_the_driver_needs() -> None:
    program = "import sys, cio_spark.delivery.partition; print(*{name.split('.')[0] for name in sys.modules})"
    loaded = set(
        subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    )
    assert not loaded & {"rich", "typer", "pandas", "pyspark", "structlog", "sqlglot"}


def places(test: set[str], among: str) -> set[str]:
    return {
        relative(file) for file in FILES if test & (imports(file) if among == "imports" else calls_and_attributes(file))
    }


def files_importing(module: str) -> set[str]:
    return {
        relative(file)
        for file in FILES
        if any(name == module or name.startswith(module + ".") for name in imports(file))
    }


def test_delivery_is_plain_python_but_for_its_engine() -> None:
    assert {name for name in files_importing("pyspark") if name.startswith("delivery/")} == {"delivery/engine.py"}


@pytest.mark.parametrize("stage", ["config", "planning", "standin", "spark/sql"])
def test_some_folders_know_nothing_of_spark(stage: str) -> None:
    assert not {name for name in files_importing("pyspark") if name.startswith(stage + "/")}


def test_the_api_is_called_by_one_client_and_a_webhook_by_another() -> None:
    calling = files_importing("requests")
    assert {name for name in calling if not name.startswith("delivery/")} == {"monitoring/webhook.py"}
    assert "delivery/http_client.py" in calling
    assert len(calling) <= 3


def test_time_is_read_and_waited_for_in_the_clock_only() -> None:
    assert places({"time.sleep", "time.monotonic", "datetime.now", "datetime.utcnow", "time.time"}, "calls") == {
        "clock.py"
    }


def test_rdds_and_map_partitions_are_in_the_engine_only() -> None:
    assert places({".rdd", ".mapPartitions", ".mapInArrow"}, "calls") == {"delivery/engine.py"}


def test_the_environment_and_dbutils_are_touched_by_the_runtime_only() -> None:
    assert places({"os.environ", "os.getenv"}, "calls") == {"runtime/environment.py"}
    assert files_importing("pyspark.dbutils") == {"runtime/databricks.py"}


def test_nothing_prints() -> None:
    assert places({"print"}, "calls") == set()


def test_no_file_is_longer_than_the_house_allows() -> None:
    assert {relative(file): length for file in FILES if (length := len(file.read_text().splitlines())) > 400} == {}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not {file.stem for file in FILES} & {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
