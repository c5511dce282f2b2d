"""Tests what the package and its command do where pyspark is not installed."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import hidden_libraries
import pytest

from cio_spark.errors import ConfigurationError, ExitStatus, MissingLibraryError
from cio_spark.extras import explain_missing_module

SUPPORT = Path(hidden_libraries.__file__).parent
CONF = Path(__file__).parents[2] / "conf" / "syncs" / "orders.yml"
SENTENCE = "pyspark is not installed: pip install 'cio-spark[spark]'"
COMMANDS: dict[str, list[str]] = {
    "sync": [],
    "sync --dry-run": [],
    "setup": [],
    "replay": [],
    "maintain": [],
    "status": [],
    "analyze": [],
    "monitor": [],
    "report": [],
    "explain": ["--record", "1"],
}


def without_spark(
    code: str, *arguments: str, hidden: Sequence[str] = hidden_libraries.SPARK
) -> subprocess.CompletedProcess[str]:
    """Run code in a new Python that has no pyspark, or not the libraries named, and return what came of it."""
    hiding = f"""
import sys
sys.path.insert(0, {str(SUPPORT)!r})
from hidden_libraries import hide
hide(*{hidden!r})
"""
    command = [sys.executable, "-c", hiding + code, *arguments]
    environment = {"CUSTOMERIO_API_KEY": "key", "PATH": "/usr/bin:/bin", "COLUMNS": "120"}
    return subprocess.run(
        command, capture_output=True, text=True, env={**environment, "PYTHONPATH": ":".join(sys.path)}, cwd="/"
    )


def said(code: str) -> Any:
    """Run code as `without_spark` does, and return what it has printed as JSON."""
    done = without_spark(code)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_public_name_that_needs_spark_says_in_one_sentence_what_to_install() -> None:
    found = said("""
import json, cio_spark, cio_spark.pipeline
told = {}
for package in (cio_spark, cio_spark.pipeline):
    for name in package.__all__:
        try:
            getattr(package, name)
        except ModuleNotFoundError as error:
            told[f"{package.__name__}.{name}"] = [str(error), error.name, error.msg]
print(json.dumps(told))
""")
    names = {
        "cio_spark.process_large_dataset_with_spark",
        "cio_spark.run_sync",
        "cio_spark.pipeline.preview_sync",
        "cio_spark.pipeline.replay_sync",
        "cio_spark.pipeline.run_sync",
    }
    assert found == {name: [SENTENCE, "pyspark", SENTENCE] for name in names}


@pytest.mark.parametrize(
    "statement",
    [
        "from cio_spark import run_sync",
        "import cio_spark; cio_spark.run_sync",
        "import cio_spark; hasattr(cio_spark, 'run_sync')",  # it exists, so the answer False would hide what is missing
        "from cio_spark import *",
    ],
)
def test_the_sentence_is_the_last_line_of_the_trace(statement: str) -> None:
    done = without_spark(statement)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"cio_spark.errors.MissingLibraryError: {SENTENCE}"
    assert "During handling" not in done.stderr


def test_dir_has_the_names_that_can_be_used_and_hasattr_says_no_to_those_that_do_not_exist() -> None:
    listed, nothing = said("import json, cio_spark; print(json.dumps([dir(cio_spark), hasattr(cio_spark, 'nothing')]))")
    import cio_spark

    assert set(dir(cio_spark)) >= set(cio_spark.__all__)
    assert set(cio_spark.__all__) - set(listed) == {"process_large_dataset_with_spark", "run_sync"}
    assert nothing is False


def test_help_describes_the_names_that_can_be_used() -> None:
    done = without_spark("import cio_spark; help(cio_spark)")
    assert done.returncode == 0, done.stderr
    assert "class BatchConfiguration(" in done.stdout
    assert "load_config(" in done.stdout


def test_every_command_that_needs_spark_says_so_in_one_sentence() -> None:
    commands = [[*command.split(), str(CONF), *more] for command, more in COMMANDS.items()]
    found = said(f"""
import json
from typer.testing import CliRunner
from cio_spark.cli import app
results = [CliRunner().invoke(app, command) for command in {commands!r}]
print(json.dumps([[result.exit_code, result.output] for result in results]))
""")
    assert found == [[int(ExitStatus.CONFIGURATION_ERROR), f"error: {SENTENCE}\n"]] * len(COMMANDS)


def test_the_demo_says_so_too() -> None:
    done = without_spark("from cio_spark.cli import main; main()", "demo", "--warehouse", "/nowhere/warehouse")
    assert (done.returncode, done.stderr) == (2, f"error: {SENTENCE}\n")


@pytest.mark.parametrize(
    "arguments", [["--help"], ["--version"], ["schema"], ["sync", "--help"], ["standin", "--help"]]
)
def test_a_command_that_needs_no_spark_works_without_it(arguments: list[str]) -> None:
    done = without_spark("from cio_spark.cli import main; main()", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.strip()


def test_the_stand_in_works_without_spark() -> None:
    assert (
        said("""
import json, urllib.request
from cio_spark.standin import StandIn
with StandIn() as api:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    print(json.dumps(json.load(opener.open(api.root_url + "/_standin/summary"))["messages"]))
""")
        == 0
    )


def test_a_run_where_only_pandas_is_missing_is_refused_before_it_asks_the_session_anything() -> None:
    code = """
from cio_spark.config import DeliveryEngine
from cio_spark.delivery.engine import count_slots
count_slots(None, DeliveryEngine.ARROW)
"""
    done = without_spark(code, hidden=["pandas"])
    assert done.stderr.splitlines()[-1].endswith("pandas is not installed: pip install 'cio-spark[spark]'")


def test_the_error_survives_pickling_and_is_a_configuration_error_too() -> None:
    error = explain_missing_module(ModuleNotFoundError("no delta", name="delta.tables"))
    copy = pickle.loads(pickle.dumps(error))
    assert isinstance(copy, MissingLibraryError)
    assert isinstance(copy, ConfigurationError)
    assert (str(copy), copy.name) == ("delta-spark is not installed: pip install 'cio-spark[spark]'", "delta-spark")


def test_a_module_that_no_extra_brings_keeps_pythons_own_error() -> None:
    error = ModuleNotFoundError("No module named 'distutils'", name="distutils")
    assert explain_missing_module(error) is error
