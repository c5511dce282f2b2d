"""Tests that no further sync of a command is started after one of them was cancelled."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cio_spark import pipeline
from cio_spark.cli import app
from cio_spark.cli.selection import Selection
from cio_spark.errors import CioSparkError, ExitStatus, RunCancelledError

FILE = """
sync: {{name: {name}}}
source: {{table: shop.orders}}
payload: {{call: track, record_id: id, user_id: customer, event: {{value: Paid}}}}
"""


@pytest.mark.parametrize(
    ("error", "started", "status"),
    [
        (RunCancelledError("cancelled"), ["one"], ExitStatus.CANCELLED_SIGTERM),
        (RunCancelledError("cancelled", ExitStatus.CANCELLED_SIGINT), ["one"], ExitStatus.CANCELLED_SIGINT),
        (CioSparkError("Spark failed"), ["one", "two"], ExitStatus.INTERNAL_ERROR),
    ],
)
def test_after_a_cancelled_sync_no_further_one_is_started(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: CioSparkError, started: list[str], status: ExitStatus
) -> None:
    seen: list[str] = []

    def run_sync(config: Any, **_: Any) -> Any:
        seen.append(config.sync.name)
        raise error

    files = [tmp_path / "one.yml", tmp_path / "two.yml"]
    for file in files:
        file.write_text(FILE.format(name=file.stem))
    monkeypatch.setattr(pipeline, "run_sync", run_sync)
    monkeypatch.setattr(Selection, "open_session", lambda _: SimpleNamespace(spark=None, warehouse=None))
    result = CliRunner().invoke(app, ["sync", *map(str, files)], env={"CUSTOMERIO_API_KEY": "key"})
    assert (seen, result.exit_code) == (started, status)
    assert ("two: not started, the job was cancelled" in result.output) == (started == ["one"])
