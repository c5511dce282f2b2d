"""Tests that the commands of docs/deploy.md can be given, and that what it says of libraries and versions is so."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from cio_spark.cli import app

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "deploy.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
OPTIONS = {
    *("--master", "--deploy-mode", "--packages", "--conf", "--archives", "--files", "--py-files"),
    *("--num-executors", "--executor-cores"),
}
IMPORT_NAMES = {"PyYAML": "yaml"}


def submits() -> list[list[str]]:
    """Return the words of every `spark-submit` in the page's blocks."""
    blocks = re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL)
    lines = "\n".join(blocks).replace("\\\n", " ").splitlines()
    return [shlex.split(line)[1:] for line in lines if line.startswith("spark-submit ")]


def test_there_is_a_submit_for_each_kind_of_cluster() -> None:
    masters = {words[words.index("--master") + 1].split(":")[0] for words in submits() if "--master" in words}
    assert masters == {"spark", "yarn", "k8s"}


@pytest.mark.parametrize("words", submits(), ids=range(len(submits())))
def test_a_submit_has_options_that_exist_and_a_job_with_arguments_that_it_takes(words: list[str]) -> None:
    rest = [word for word in words if word != "…"]
    while rest[0].startswith("--"):
        option, value, *rest = rest
        assert option in OPTIONS
        if option == "--conf":
            assert re.fullmatch(r"spark\.[\w.]+=\S+", value)
    script, *arguments = (word.removeprefix("local://").removeprefix("/opt/cio/") for word in rest)
    assert (ROOT / script).is_file()
    assert (ROOT / arguments[0]).is_file()
    command = typer.main.get_command(app).commands[Path(script).stem]  # type: ignore[attr-defined]  # it is a group
    command.make_context(script, arguments)


def test_the_page_names_the_delta_of_every_spark_that_is_tested() -> None:
    tested = " ".join(re.findall(r"^(?:SPARK|OTHER_SPARKS) := (.*)$", MAKEFILE, re.MULTILINE)).split()
    rows = re.findall(r"^  \| (\d\.\d) \| `io\.delta:delta-spark_(\S+?):(\S+)` \|", PAGE, re.MULTILINE)
    assert sorted(spark for spark, _, _ in rows) == sorted(tested)
    for spark, scala, _ in rows:
        assert scala == ("2.12" if spark == "3.5" else f"{spark}_2.13")


def test_tasks_import_the_libraries_that_the_page_names_and_no_others_of_the_wheel() -> None:
    (sentence,) = re.findall(r"The tasks import `cio_spark` and, of its libraries, (.*?)\.", PAGE)
    named = {IMPORT_NAMES.get(name, name) for name in re.split(r", | and ", sentence)}
    required = re.findall(r'^        "([a-z0-9_]+)[<>=]', (ROOT / "setup.py").read_text(encoding="utf-8"), re.MULTILINE)
    assert "typer" in required
    code = "import sys, cio_spark.delivery.partition; print(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    libraries = {{"pyyaml": "yaml"}.get(name, name) for name in required}
    assert set(done.stdout.split()) & libraries == named


def test_links_of_the_page_lead_to_headings_that_exist() -> None:
    for page, anchor in re.findall(r"\]\((\w+\.md)(?:#([\w-]+))?\)", PAGE):
        text = (ROOT / "docs" / page).read_text(encoding="utf-8")
        headings = {
            re.sub(r"[^\w -]", "", line.lower()).replace(" ", "-") for line in re.findall(r"^#+ (.*)$", text, re.M)
        }
        assert not anchor or anchor in headings
