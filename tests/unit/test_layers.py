"""The layer rules of the house, read off the syntax trees: what each module may import and call."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "cio_spark"
STAGES = {"source", "payload", "validation", "ledger", "planning", "delivery", "results"}
SHARED = {
    "fixed_settings",
    "json_text",
    "utf8",
    "errors",
    "ids",
    "model",
    "schemas",
    "clock",
    "config",
    "spark_errors",
    "spark_conf",
    "spark_versions",
    "version",
    "logs",
    "cancellation",
    "sql",
    "row_values",
    "changing_values",
}
FILES = sorted(PACKAGE.rglob("*.py"))


def relative(file: Path) -> str:
    return file.relative_to(PACKAGE).as_posix()


def imports(file: Path) -> set[str]:
    """Full names of everything a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def calls_and_attributes(file: Path) -> set[str]:
    """`a.b` of every attribute access, and `f` of every plain call."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Attribute):
            found.add(f".{node.attr}")
            if isinstance(node.value, ast.Name):
                found.add(f"{node.value.id}.{node.attr}")
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            found.add(node.func.id)
    return found


def test_a_stage_imports_no_other_stage() -> None:
    wrong = []
    for file in FILES:
        stage = relative(file).split("/")[0]
        if stage not in STAGES:
            continue
        for name in imports(file):
            parts = name.split(".")
            if parts[0] == "cio_spark" and len(parts) > 1 and parts[1] not in SHARED | {stage}:
                wrong.append(f"{relative(file)} imports {name}")
    assert wrong == []


def test_only_the_pipeline_and_the_notebooks_names_know_several_stages() -> None:
    knowing = {
        relative(file)
        for file in FILES
        if len({name.split(".")[1] for name in imports(file) if name.startswith("cio_spark.")} & STAGES) > 1
    }
    assert {name.split("/")[0] for name in knowing} <= {"pipeline", "batches"}


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


@pytest.mark.parametrize("stage", ["config", "planning", "standin", "sql"])
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
    assert places({"os.environ", "os.getenv"}, "calls") == {"runtime/environment.py", "spark/session.py"}
    assert files_importing("pyspark.dbutils") == {"runtime/environment.py"}


def test_nothing_prints() -> None:
    assert places({"print"}, "calls") == set()


def test_no_file_is_longer_than_the_house_allows() -> None:
    assert {relative(file): length for file in FILES if (length := len(file.read_text().splitlines())) > 400} == {}


def test_no_module_is_a_drawer_for_odds_and_ends() -> None:
    assert not {file.stem for file in FILES} & {"utils", "util", "helpers", "helper", "common", "misc", "manager"}
