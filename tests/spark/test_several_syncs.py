"""Tests several syncs in one `cio-spark sync`.

Critical syncs run first. Each sync has its own end, and no end hides another one.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sync_bench import KEY, ORDERS, Bench, order_rows, sigterm_after
from typer.testing import CliRunner

from cio_spark import runtime
from cio_spark.cli import app
from cio_spark.cli.run_command import worst_exit_status
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import ExitStatus
from cio_spark.standin import Fault

KEYS = {"ours": KEY, "theirs": "withdrawn-key"}
"""The key of each secret scope, as Databricks would keep it."""


def key_of(config: SyncConfig) -> ApiKey:
    assert config.api.secret is not None
    return ApiKey(KEYS[config.api.secret.scope])


def file_of(bench: Bench, folder: Path, name: str, **sections: dict[str, Any]) -> Path:
    """Write the sync's file under a name that people can read, and return the file."""
    bench.name = f"{name}-{bench.name}"
    bench.write_sql(order_rows(5))
    sections["sync"] = {"name": bench.name, **sections.get("sync", {})}
    return bench.write_config(folder / f"{name}.yml", **sections)


def sync_all(warehouse: Path, files: list[Path], key: str | None = KEY) -> tuple[int, str]:
    environment = {"CUSTOMERIO_API_KEY": key, "CUSTOMERIO_BASE_URL": None, "COLUMNS": "200"}
    result = CliRunner().invoke(
        app, ["sync", *map(str, files), "--warehouse", str(warehouse)], env=environment, catch_exceptions=False
    )
    assert "Traceback" not in result.output
    # Both streams, as on a terminal, without the lines of the log, which has tests of its own
    lines = [line for line in result.output.splitlines() if not line.startswith('{"timestamp": ')]
    return result.exit_code, "\n".join(lines)


def test_each_sync_has_its_own_end_and_the_worst_one_is_the_jobs(
    bench: Callable[..., Bench], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runtime, "find_api_key", key_of)

    def sync(name: str, priority: str, scope: str, **payload: Any) -> Path:
        return file_of(
            bench({**ORDERS, **payload}),
            tmp_path,
            name,
            sync={"priority": priority},
            api={"secret": {"scope": scope, "key": "api_key"}},
        )

    any_sync = bench(ORDERS)
    files = [
        sync("same_key", "low", "theirs"),
        sync("last", "low", "ours"),
        sync("refused", "normal", "theirs"),
        sync("broken", "high", "ours", properties={"set": {"total": "cast(customer AS INT)"}}),
        sync("urgent", "critical", "ours"),
    ]
    status, said = sync_all(any_sync.warehouse, files, key=None)

    # By priority, critical first; in the order given where the priority is equal
    outcomes = [line for line in said.splitlines() if " · run " in line or "error:" in line or "not started" in line]
    expected = [
        ("urgent-", " · run "),
        ("error: broken-", "payload.properties.set.total: `cast(customer AS INT)` fails on 5 rows"),
        ("error: refused-", "refused the API key"),
        ("same_key-", ": not started, its API key was refused a moment ago"),
        ("last-", " · run "),
    ]
    assert [
        (start, part) for line, (start, part) in zip(outcomes, expected, strict=True) if not _says(line, start, part)
    ] == []
    # The refused key gives 4, the broken expression 2, the others 0
    assert status == ExitStatus.KEY_REFUSED
    assert any_sync.api.received.count() == 10
    refusals = [request for request in any_sync.api.received.requests() if request["status"] == 401]
    assert len(refusals) == 1  # the sync that shares the key has sent no request


def _says(line: str, start: str, part: str) -> bool:
    return line.startswith(start) and part in line


@pytest.mark.slow
def test_a_sigterm_during_the_first_sync_leaves_the_others_not_run_and_said_so(
    bench: Callable[..., Bench], tmp_path: Path
) -> None:
    first, second = bench(ORDERS), bench(ORDERS)
    files = [file_of(first, tmp_path, "first"), file_of(second, tmp_path, "second")]
    first.api.script(Fault(latency_seconds=1.0))
    with sigterm_after(first.api, 1):
        status, said = sync_all(first.warehouse, files)

    assert status == ExitStatus.CANCELLED_SIGTERM
    assert f"{second.name}: not started, the job was cancelled" in said
    assert f"{first.name} · run " in said  # its wave had its grace time, and was finished
    assert first.api.received.count() == 5
    first.api.clear_faults()
    status, said = sync_all(first.warehouse, files)
    assert (status, first.api.received.count(), first.api.received.duplicates()) == (0, 10, {})


@pytest.mark.parametrize(
    ("statuses", "of_the_job"),
    [
        ([], ExitStatus.SUCCESS),
        ([ExitStatus.SUCCESS, ExitStatus.ERROR_THRESHOLD_EXCEEDED], ExitStatus.ERROR_THRESHOLD_EXCEEDED),
        ([ExitStatus.FAIL_FAST, ExitStatus.ERROR_THRESHOLD_EXCEEDED], ExitStatus.FAIL_FAST),
        ([ExitStatus.INTERNAL_ERROR, ExitStatus.API_UNAVAILABLE], ExitStatus.INTERNAL_ERROR),
        ([ExitStatus.KEY_REFUSED, ExitStatus.CONFIGURATION_ERROR], ExitStatus.KEY_REFUSED),
        ([ExitStatus.BOOKS_NOT_BALANCED, ExitStatus.INTERNAL_ERROR], ExitStatus.BOOKS_NOT_BALANCED),
        ([ExitStatus.CANCELLED_SIGTERM, ExitStatus.BOOKS_NOT_BALANCED], ExitStatus.CANCELLED_SIGTERM),
    ],
)
def test_the_job_ends_with_the_worst_status(statuses: list[ExitStatus], of_the_job: ExitStatus) -> None:
    assert worst_exit_status(statuses) is worst_exit_status(statuses[::-1]) is of_the_job
