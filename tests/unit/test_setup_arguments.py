"""Tests what setup.py says: the files of the wheel, the version, the versions of Python, and the extras."""

from __future__ import annotations

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import setuptools

from cio_spark.extras import EXTRAS

ROOT = Path(__file__).parents[2]
PYPROJECT = (ROOT / "pyproject.toml").read_text(encoding="utf-8")


@pytest.fixture
def arguments(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    said: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", said.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    return said


def packed_files(arguments: dict[str, Any]) -> dict[str, set[Path]]:
    """Return the files that each pattern of `package_data` finds."""
    return {
        f"{package}: {pattern}": set((ROOT / package.replace(".", "/")).glob(pattern))
        for package, patterns in arguments["package_data"].items()
        for pattern in patterns
    }


def test_every_pattern_of_package_data_finds_a_file(arguments: dict[str, Any]) -> None:
    assert [place for place, files in packed_files(arguments).items() if not files] == []


def test_every_file_that_is_no_module_is_in_the_wheel(arguments: dict[str, Any]) -> None:
    packed = set().union(*packed_files(arguments).values())
    others = {file for file in (ROOT / "cio_spark").rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert others - packed == set()


def test_no_other_file_repeats_the_version(arguments: dict[str, Any]) -> None:
    version = re.compile(rf"(?<![\d.=]){re.escape(arguments['version'])}(?![\d.])")
    folders = ("cio_spark", "jobs", "benchmarks", "tools", "resources", "conf", "docs")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*") if file.suffix in (".py", ".yml", ".md")]
    files += [ROOT / name for name in ("databricks.yml", "pyproject.toml", "README.md", "CONTRIBUTING.md", "Makefile")]
    assert [str(file.relative_to(ROOT)) for file in files if version.search(file.read_text(encoding="utf-8"))] == []


def test_ruff_and_mypy_check_for_the_oldest_python_that_the_package_supports(arguments: dict[str, Any]) -> None:
    oldest = arguments["python_requires"].removeprefix(">=")
    assert re.findall(r'^python_version = "(.*)"$', PYPROJECT, re.MULTILINE) == [oldest]
    assert re.findall(r'^target-version = "py(.*)"$', PYPROJECT, re.MULTILINE) == [oldest.replace(".", "")]


def test_the_sentence_about_a_missing_library_names_an_extra_that_brings_it(arguments: dict[str, Any]) -> None:
    brought_by = {"markupsafe": "jinja2", "py4j": "pyspark", "delta": "delta-spark"}
    for library, extra in EXTRAS.items():
        names = {re.split(r"[<>=!~\[]", line)[0] for line in arguments["extras_require"][extra]}
        assert brought_by.get(library, library) in names


def test_make_builds_with_what_the_wheel_is_built_with(arguments: dict[str, Any]) -> None:
    (build_system,) = re.findall(r'^requires = \["(.*)"\]$', PYPROJECT, re.MULTILINE)
    assert build_system in arguments["extras_require"]["dev"]
