"""Tests that `make cluster-demo` ends well: the stand-in got what the tables count as accepted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_the_cluster_demo_ends_well() -> None:
    shown = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "cluster_demo.py")],
        env={**os.environ, "PYTHONPATH": str(ROOT / "tests" / "support")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1500,
        check=False,
    )
    assert shown.returncode == 0, shown.stdout + shown.stderr
    assert "all is well" in shown.stdout
