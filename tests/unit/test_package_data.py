"""The wheel has every file that the package reads beside its modules."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest
import setuptools

ROOT = Path(__file__).parents[2]


@pytest.fixture
def package_data(monkeypatch: pytest.MonkeyPatch) -> dict[str, list[str]]:
    said: dict[str, Any] = {}
    monkeypatch.setattr(setuptools, "setup", said.update)
    monkeypatch.chdir(ROOT)
    runpy.run_path(str(ROOT / "setup.py"))
    data: dict[str, list[str]] = said["package_data"]
    return data


def test_every_pattern_of_package_data_finds_a_file(package_data: dict[str, list[str]]) -> None:
    empty = [
        f"{package}: {pattern}"
        for package, patterns in package_data.items()
        for pattern in patterns
        if not list((ROOT / package.replace(".", "/")).glob(pattern))
    ]
    assert empty == []


def test_every_file_that_is_no_module_is_in_the_wheel(package_data: dict[str, list[str]]) -> None:
    packed = {
        file
        for package, patterns in package_data.items()
        for pattern in patterns
        for file in (ROOT / package.replace(".", "/")).glob(pattern)
    }
    others = {file for file in (ROOT / "cio_spark").rglob("*") if file.is_file() and file.suffix not in (".py", ".pyc")}
    assert others - packed == set()
