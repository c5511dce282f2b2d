"""The names users import are there, and importing the package costs nothing."""

from __future__ import annotations

import subprocess
import sys

import pytest

import cio_spark


@pytest.mark.parametrize("name", cio_spark.__all__)
def test_a_public_name_can_be_imported(name: str) -> None:
    assert getattr(cio_spark, name).__name__ == name


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        cio_spark.nothing  # noqa: B018  # the access is the test


def test_importing_the_package_loads_neither_spark_nor_pydantic() -> None:
    code = "import sys, cio_spark; print([name for name in ('pyspark', 'pydantic', 'requests') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
