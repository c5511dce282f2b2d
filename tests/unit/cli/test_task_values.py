"""Tests the values that commands set for later tasks of a Databricks job, with a fake dbutils."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from cio_spark import runtime
from cio_spark.cli import app
from cio_spark.cli.selection import Selection
from cio_spark.config import ApiKey, SyncConfig
from cio_spark.errors import CioSparkError, ExitStatus, SyncAlreadyRunningError, SyncTakenOverError
from cio_spark.model import Books, DeliveryCounts, StateCounts
from cio_spark.runtime import databricks

CONF = str(Path(__file__).parents[3] / "conf" / "syncs")


@pytest.fixture
def values(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the values that were set, as Databricks would keep them."""
    kept: dict[str, Any] = {}

    def keep(key: str, value: Any) -> None:
        kept[key] = value

    jobs = SimpleNamespace(taskValues=SimpleNamespace(set=keep))
    monkeypatch.setattr(databricks, "_dbutils", lambda: SimpleNamespace(jobs=jobs))
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.1")
    monkeypatch.setattr(runtime, "find_api_key", lambda _: ApiKey("key"))
    monkeypatch.setattr(Selection, "open_session", lambda _: SimpleNamespace(spark=None, warehouse=None))
    return kept


def run_to(monkeypatch: pytest.MonkeyPatch, ends: dict[str, tuple[ExitStatus, int] | Exception], *options: str) -> int:
    """Run all syncs of the project, each with its end: exit status and rows that were written, or an error."""

    def run_sync(config: SyncConfig, **_: Any) -> SimpleNamespace:
        end = ends[config.sync.name]
        if isinstance(end, Exception):
            raise end
        in_doubt = 3 if end[0] is ExitStatus.CANCELLED_SIGTERM else 0
        books = Books(StateCounts(9), DeliveryCounts(accepted=end[1]), in_doubt=in_doubt)
        return SimpleNamespace(exit_status=end[0], run_id=f"run-of-{config.sync.name}", books=books)

    monkeypatch.setattr("cio_spark.pipeline.run_sync", run_sync)
    return CliRunner().invoke(app, ["sync", CONF, *options]).exit_code


WELL, NEWS = (ExitStatus.SUCCESS, 0), (ExitStatus.SUCCESS, 3)


def test_a_run_that_found_nothing_new_says_that_nothing_was_sent(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    assert run_to(monkeypatch, {"customers": WELL, "orders": WELL}) == 0
    assert values == {"exit_status": 0, "may_have_sent": "false", "run_ids": "run-of-customers,run-of-orders"}


@pytest.mark.parametrize(
    ("ends", "exit_status"),
    [
        ({"customers": WELL, "orders": NEWS}, 0),
        ({"customers": WELL, "orders": (ExitStatus.ERROR_THRESHOLD_EXCEEDED, 5)}, 3),
        # A run that an error ended may have sent something before
        ({"customers": RuntimeError("lost"), "orders": WELL}, 1),
        ({"customers": CioSparkError("lost"), "orders": WELL}, 1),
        # The worst status is 2, which is that of the sync that sent nothing
        ({"customers": SyncTakenOverError("customers", 2), "orders": SyncAlreadyRunningError("running")}, 2),
        ({"customers": (ExitStatus.CANCELLED_SIGTERM, 0), "orders": WELL}, 143),
    ],
)
def test_a_run_that_may_have_sent_something_says_so(
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    ends: dict[str, tuple[ExitStatus, int] | Exception],
    exit_status: int,
) -> None:
    assert run_to(monkeypatch, ends) == exit_status
    assert (values["exit_status"], values["may_have_sent"]) == (exit_status, "true")


def test_a_later_try_does_not_say_that_nothing_was_sent_because_the_first_one_sent_it_all(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    for attempt, said in (("7/sync/1/0", "false"), ("7/sync/2/0", "true"), ("7/sync/2/1", "true")):
        assert run_to(monkeypatch, {"customers": WELL, "orders": WELL}, f"--job-attempt={attempt}") == 0
        assert values["may_have_sent"] == said


def test_syncs_that_could_not_start_have_sent_nothing(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    running = SyncAlreadyRunningError("running")
    assert run_to(monkeypatch, {"customers": running, "orders": WELL}) == 2
    assert (values["may_have_sent"], values["run_ids"]) == ("false", "run-of-orders")


def test_values_are_set_even_if_the_command_ends_before_any_sync(values: dict[str, Any]) -> None:
    for command, expected in (
        ("sync", {"exit_status": 2, "may_have_sent": "false", "run_ids": ""}),
        ("monitor", {"status": "no_data", "open_alerts": 0}),
    ):
        values.clear()
        assert CliRunner().invoke(app, [command, CONF, "--only", "nobody"]).exit_code == 2
        assert values == expected


def test_a_task_does_not_fail_because_its_values_are_refused(
    monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]
) -> None:
    def refuse(**_: Any) -> None:
        raise PermissionError("only in notebooks")

    jobs = SimpleNamespace(taskValues=SimpleNamespace(set=refuse))
    monkeypatch.setattr(databricks, "_dbutils", lambda: SimpleNamespace(jobs=jobs))
    assert runtime.set_task_values({"a": 1}) == "PermissionError"
    assert run_to(monkeypatch, {"customers": WELL, "orders": NEWS}) == 0
    assert values == {}


def test_outside_of_databricks_no_value_is_set(monkeypatch: pytest.MonkeyPatch, values: dict[str, Any]) -> None:
    monkeypatch.delenv("DATABRICKS_RUNTIME_VERSION")
    assert runtime.set_task_values({"a": 1}) is None
    assert values == {}
