"""Builds the project's wheel and source distribution, and installs the wheel in an environment of its own.

Nothing is fetched: the build runs with the setuptools of this environment.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
from collections.abc import Iterator, Sequence
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

PROJECT = Path(__file__).resolve().parents[2]
_PARTS = ("setup.py", "pyproject.toml", "README.md", "LICENSE", "cio_spark")
_PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
_SDIST = "import sys; from setuptools.build_meta import build_sdist; build_sdist(sys.argv[1])"


def build_sdist(folder: Path) -> Path:
    """Build the source distribution.

    Args:
        folder: folder for the file.
    """
    source = _copy_source(folder)
    run([sys.executable, "-c", _SDIST, str(folder)], source)
    shutil.rmtree(source)
    return next(folder.glob("*.tar.gz"))


def build_wheel(folder: Path, *, sdist: Path | None = None) -> Path:
    """Build the wheel.

    Args:
        folder: folder for the file.
        sdist: source distribution to build it from; None for the working copy.
    """
    source = _copy_source(folder) if sdist is None else _unpack(sdist, folder)
    run([*_PIP, "wheel", "--no-deps", "--no-build-isolation", "--no-index", "-w", str(folder), str(source)], folder)
    shutil.rmtree(source)
    return next(folder.glob("*.whl"))


def zip_wheel(folder: Path) -> Path:
    """Build the wheel for `spark-submit --py-files`: it is a zip file, and Spark imports from files named so only.

    Args:
        folder: folder for the file.
    """
    wheel = build_wheel(folder)
    return wheel.rename(wheel.with_suffix(".zip"))


def install_wheel(folder: Path) -> Path:
    """Build the wheel, and install it in a new environment that takes its libraries from this environment.

    Args:
        folder: folder of the wheel and of the environment.

    Returns:
        the Python of the environment.
    """
    python = make_environment(folder / "environment", build_wheel(folder / "wheels"))
    add_libraries(python, own_libraries())
    return python


def own_libraries() -> Path:
    """Return the folder of this environment's libraries."""
    return Path(sysconfig.get_path("purelib"))


def make_environment(folder: Path, wheel: Path | None = None) -> Path:
    """Make a new environment that has no library, and only the wheel, if there is one; return its Python."""
    run([sys.executable, "-m", "venv", "--without-pip", str(folder)], folder.parent)
    python = folder / "bin" / "python"
    if wheel is None:
        return python
    run([*_PIP, "--python", str(python), "install", "--no-deps", "--no-index", str(wheel)], folder)
    imported = run([str(python), "-c", "import cio_spark; print(cio_spark.__file__)"], folder).strip()
    assert Path(imported).is_relative_to(folder), imported
    return python


def add_libraries(python: Path, libraries: Path) -> None:
    """Let an environment import the libraries of a folder, after its own.

    Packages that are installed there in place, such as the project's working copy, cannot be imported. The wheel must
    have been installed before, because pip would take the folder's cio_spark for the environment's one.
    """
    own = Path(run([str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))"], Path("/")).strip())
    (own / "libraries.pth").write_text(f"{libraries}\n", encoding="utf-8")


def link_requirements(wheel: Path, folder: Path) -> frozenset[str]:
    """Link, into a folder, exactly the libraries that the wheel requires without extras, and what these require.

    Args:
        wheel: the wheel.
        folder: the folder; `add_libraries` lets an environment import from it.

    Returns:
        The names of the libraries.
    """
    folder.mkdir(parents=True)
    found: dict[str, Distribution] = {}
    waiting = list(_requirements(Distribution.at(_metadata(wheel, folder.parent)), frozenset()))
    while waiting:
        needed = waiting.pop()
        name = re.sub(r"[-_.]+", "-", needed.name).lower()
        if name not in found:
            found[name] = distribution(name)
            waiting += _requirements(found[name], frozenset(needed.extras))
    for library in found.values():
        for part in {file.parts[0] for file in library.files or ()} - {"..", "__pycache__"}:
            link = folder / part
            if not link.exists():
                link.symlink_to(Path(str(library.locate_file(part))))
    return frozenset(found)


def run(command: Sequence[str], folder: Path) -> str:
    """Run a command in a folder, and return what it has printed."""
    folder.mkdir(parents=True, exist_ok=True)
    # The import path of this process may lead to the working copy
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def _requirements(library: Distribution, extras: frozenset[str]) -> Iterator[Requirement]:
    for line in library.requires or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if marker is None or any(marker.evaluate({"extra": extra}) for extra in extras | {""}):
            yield requirement


def _metadata(wheel: Path, folder: Path) -> Path:
    """Unpack the wheel's metadata, and return their folder."""
    shutil.unpack_archive(wheel, folder / "unpacked", "zip")
    return next((folder / "unpacked").glob("*.dist-info"))


def _copy_source(folder: Path) -> Path:
    """Copy what is built, because a build writes into its source folder; nobody must import modules of the copy."""
    source = folder / "source"
    source.mkdir(parents=True)
    for part in _PARTS:
        copy = shutil.copytree if (PROJECT / part).is_dir() else shutil.copy2
        copy(PROJECT / part, source / part)
    return source


def _unpack(sdist: Path, folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    with tarfile.open(sdist) as archive:
        archive.extractall(folder, filter="data")
    return folder / sdist.name.removesuffix(".tar.gz")
