"""Tests the wheel and the source distribution: what is in them, and the wheel in an environment of its own."""

from __future__ import annotations

import subprocess
import tarfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from wheel_building import PROJECT, add_libraries, build_sdist, build_wheel, link_requirements, make_environment

pytestmark = pytest.mark.slow

CONF = PROJECT / "conf" / "syncs" / "orders.yml"
SENTENCE = "pyspark is not installed: pip install 'cio-spark[spark]'"
METADATA = {"METADATA", "RECORD", "WHEEL", "entry_points.txt", "licenses/LICENSE", "top_level.txt"}
ENVIRONMENT = {"CUSTOMERIO_API_KEY": "key", "PATH": "/usr/bin:/bin", "COLUMNS": "120"}


@dataclass(frozen=True)
class Alone:
    """Describes an environment with the wheel and the libraries that it requires, and nothing else.

    Attributes:
        python: the environment's Python.
        libraries: names of the libraries.
    """

    python: Path
    libraries: frozenset[str]

    def run(self, *command: str) -> tuple[int, str, str]:
        """Run a command of the environment; return its exit status, standard output and standard error."""
        program, *arguments = command
        whole = [str(self.python.parent / program), *arguments]
        done = subprocess.run(whole, capture_output=True, text=True, env=ENVIRONMENT, cwd=self.python.parent)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("wheel")


@pytest.fixture(scope="module")
def wheel(place: Path) -> Path:
    return build_wheel(place / "wheels")


@pytest.fixture(scope="module")
def sdist(place: Path) -> Path:
    return build_sdist(place / "sdist")


@pytest.fixture(scope="module")
def alone(place: Path, wheel: Path) -> Alone:
    python = make_environment(place / "alone", wheel)
    libraries = link_requirements(wheel, place / "requirements" / "libraries")
    add_libraries(python, place / "requirements" / "libraries")
    return Alone(python, libraries)


def test_the_wheel_has_the_package_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if not name.endswith("/")}
    metadata = {name for name in names if name.split("/")[0].endswith(".dist-info")}
    package = {
        file.relative_to(PROJECT).as_posix()
        for file in (PROJECT / "cio_spark").rglob("*")
        if file.is_file() and file.suffix != ".pyc"
    }
    assert names - metadata == package
    assert {name.split("/", 1)[1] for name in metadata} == METADATA


def test_the_source_distribution_builds_the_same_wheel_again(wheel: Path, sdist: Path, place: Path) -> None:
    again = build_wheel(place / "again", sdist=sdist)
    with zipfile.ZipFile(wheel) as one, zipfile.ZipFile(again) as other:
        assert {name: one.read(name) for name in one.namelist()} == {name: other.read(name) for name in one.namelist()}
        assert sorted(one.namelist()) == sorted(other.namelist())


def test_the_source_distribution_has_what_the_wheel_is_built_from_and_nothing_else(sdist: Path) -> None:
    with tarfile.open(sdist) as archive:
        names = {member.name.partition("/")[2] for member in archive.getmembers() if member.isfile()}
    others = {name for name in names if not name.startswith(("cio_spark/", "cio_spark.egg-info/"))}
    assert others == {"LICENSE", "PKG-INFO", "README.md", "pyproject.toml", "setup.cfg", "setup.py"}


def test_the_wheel_alone_brings_no_spark(alone: Alone) -> None:
    assert {"pydantic", "requests", "typer", "pyarrow"} <= alone.libraries
    assert not {"pyspark", "delta-spark", "pandas", "matplotlib"} & alone.libraries
    assert alone.run("python", "-c", "import pyspark")[0] == 1


def test_the_wheel_alone_gives_a_command_that_says_in_one_sentence_what_is_missing(alone: Alone) -> None:
    assert alone.run("cio-spark", "sync", str(CONF)) == (2, "", f"error: {SENTENCE}\n")
    assert alone.run("cio-spark", "status", str(CONF)) == (2, "", f"error: {SENTENCE}\n")


def test_the_wheel_alone_says_its_version_and_prints_the_schema(alone: Alone, wheel: Path) -> None:
    assert alone.run("cio-spark", "--version") == (0, f"{wheel.name.split('-')[1]}\n", "")
    assert alone.run("cio-spark", "schema") == (0, (PROJECT / "conf" / "schema.json").read_text(encoding="utf-8"), "")


def test_every_public_name_of_the_wheel_alone_can_be_used_or_says_what_is_missing(alone: Alone) -> None:
    code = """
import cio_spark, cio_spark.standin
for name in cio_spark.__all__:
    try:
        getattr(cio_spark, name)
    except ImportError as error:
        print(name, error)
"""
    told = "".join(f"{name} {SENTENCE}\n" for name in ("process_large_dataset_with_spark", "run_sync"))
    assert alone.run("python", "-c", code) == (0, told, "")
