"""Tests the jobs of the Databricks bundle: references, arguments, task values, and how a run ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import typer
from bundle import ROOT, load_bundle, read, shipped_files, texts
from job_tasks import EXCLUDED, FAILED, SUCCESS, UPSTREAM_FAILED, arguments_of, command_of, run_through, script_tasks
from typer.testing import CliRunner

from cio_spark.cli import app
from cio_spark.cli.sync_command import MAY_HAVE_SENT
from cio_spark.config import load_configs
from cio_spark.runtime import databricks, read_parameters
from cio_spark.task_attempt import TaskAttempt

JOBS: dict[str, dict[str, Any]] = load_bundle("prod")["resources"]["jobs"]
TASKS = [(key, task) for key, job in JOBS.items() for task in script_tasks(job)]
SYNC_JOBS = ("sync", "sync_serverless")
COMPUTE = {"job_cluster_key", "environment_key", "libraries", "disable_auto_optimization"}
each_task = pytest.mark.parametrize(("key", "task"), TASKS, ids=[f"{key}-{task['task_key']}" for key, task in TASKS])
each_job = pytest.mark.parametrize("key", JOBS)


def all_tasks(job: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield from job["tasks"]
    yield from (task["for_each_task"]["task"] for task in job["tasks"] if "for_each_task" in task)


@each_job
def test_the_scripts_of_a_job_exist_and_ship(key: str) -> None:
    scripts = [ROOT / "resources" / task["spark_python_task"]["python_file"] for task in script_tasks(JOBS[key])]
    assert {script.resolve().relative_to(ROOT).as_posix() for script in scripts} <= set(shipped_files())


@each_task
def test_the_arguments_of_a_task_go_through_the_real_parser(key: str, task: dict[str, Any]) -> None:
    group = typer.main.get_command(app)
    command = group.commands[command_of(task)]  # type: ignore[attr-defined]  # a group of commands
    with command.make_context(command_of(task), arguments_of(JOBS[key], task)) as context:
        given = context.params
    # Options of the parser are not the whole of it: the values must be settings
    settings = read_parameters(given["parameters"])
    assert settings.environment == "prod"
    configs = load_configs(
        sorted((ROOT / "conf" / "syncs").glob("*.yml")),
        environment=settings.environment,
        overrides=[*settings.overrides, *(given["overrides"] or ())],
    )
    assert {(config.tables.catalog, config.tables.database) for config in configs} == {("main", "customerio")}
    assert {config.api.region for config in configs} == {"us"}  # the blank parameter sets nothing
    assert given["confs"] == [Path("/Workspace/files/conf/syncs")]
    assert given["only"] == ("orders" if (key, task["task_key"]) == ("sync_side_by_side", "sync") else "")


@each_task
def test_a_parameter_of_the_job_reaches_every_task(key: str, task: dict[str, Any]) -> None:
    said = dict.fromkeys(("customerio_region", "catalog_name", "database_name", "environment"), "said")
    arguments = arguments_of(JOBS[key], task, **said)
    assert [text for text in arguments if text.startswith("--parameter=")] == [
        f"--parameter={name}=said" for name in said
    ]


@each_job
def test_every_parameter_of_a_job_is_used_by_it(key: str) -> None:
    used = set(re.findall(r"\{\{job\.parameters\.(\w+)\}\}", " ".join(texts(JOBS[key]["tasks"]))))
    assert used == {parameter["name"] for parameter in JOBS[key]["parameters"]}


@each_job
def test_a_job_has_tags_limits_a_queue_and_somebody_to_tell(key: str) -> None:
    job = JOBS[key]
    assert job["tags"] == {"product": "cio_spark", "target": "prod"}
    assert job["max_concurrent_runs"] == 1
    assert job["queue"] == {"enabled": True}
    assert job["email_notifications"]["on_failure"] == ["data-team@example.com"]
    tries = [(task.get("timeout_seconds", 0), task.get("max_retries", 0)) for task in all_tasks(job)]
    pauses = sum(task.get("min_retry_interval_millis", 0) / 1000 for task in all_tasks(job))
    assert job["timeout_seconds"] > pauses + sum(seconds * (1 + retries) for seconds, retries in tries)


@each_job
def test_compute_is_defined_once_and_used(key: str) -> None:
    job = JOBS[key]
    defined = {item["job_cluster_key"] for item in job.get("job_clusters", [])}
    defined |= {item["environment_key"] for item in job.get("environments", [])}
    used = {task.get("job_cluster_key") or task.get("environment_key") for task in script_tasks(job)}
    assert len(defined) == 1
    assert used == defined


def test_the_cluster_belongs_to_one_user_keeps_its_size_and_does_not_speculate() -> None:
    clusters = {key: item["new_cluster"] for key, job in JOBS.items() for item in job.get("job_clusters", [])}
    sizes = {key: cluster["num_workers"] for key, cluster in clusters.items()}
    assert sizes == {"sync": 2, "replay": 2, "monitor": 1, "maintain": 1}
    assert len({(cluster["spark_version"], cluster["node_type_id"]) for cluster in clusters.values()}) == 1
    for cluster in clusters.values():
        assert cluster["data_security_mode"] == "SINGLE_USER"
        assert "autoscale" not in cluster
        assert "spark.speculation" not in cluster.get("spark_conf", {})


def test_every_job_installs_the_wheel_and_none_installs_pyspark() -> None:
    for job in JOBS.values():
        for item in job.get("environments", []):
            assert item["spec"]["environment_version"] in ("4", "5")
            assert "../dist/*.whl" in item["spec"]["dependencies"]
            assert not [name for name in item["spec"]["dependencies"] if "spark" in name or "databricks" in name]
        if "job_clusters" in job:
            assert all(task["libraries"] == [{"whl": "../dist/*.whl"}] for task in script_tasks(job))


def test_the_serverless_job_is_the_classic_one_on_other_compute() -> None:
    def without_compute(key: str) -> dict[str, Any]:
        job = {name: value for name, value in JOBS[key].items() if name not in ("job_clusters", "environments")}
        for name in ("name", "schedule", "trigger"):
            job.pop(name, None)
        tasks = [{name: item for name, item in task.items() if name not in COMPUTE} for task in job["tasks"]]
        return {**job, "tasks": tasks}

    assert without_compute("sync_serverless") == without_compute("sync")


@each_task
def test_a_task_that_sends_says_which_try_it_is_and_only_its_own_retries_happen(key: str, task: dict[str, Any]) -> None:
    attempt = [text for text in arguments_of(JOBS[key], task) if text.startswith("--job-attempt=")]
    sends = command_of(task) in ("sync", "replay")
    # Iterations of a for_each task have one task name, so their input stands beside it
    name = "sync-orders" if key == "sync_side_by_side" else "sync"
    assert attempt == ([f"--job-attempt=77/{name}/1/0"] if sends else [])
    if attempt:
        assert TaskAttempt.parse(attempt[0].partition("=")[2]) == TaskAttempt(f"77/{name}", 1, 0)
    # Serverless compute retries on its own unless it is told not to
    assert ("disable_auto_optimization" in task) == ("max_retries" in task and "environment_key" in task)
    assert task.get("disable_auto_optimization", True) is True
    assert ("max_retries" in task) == (command_of(task) == "sync")


def test_the_pages_of_a_report_go_into_a_folder_that_need_not_exist_yet() -> None:
    for key in SYNC_JOBS:
        (report,) = (task for task in script_tasks(JOBS[key]) if task["task_key"] == "report")
        (output,) = (text for text in arguments_of(JOBS[key], report) if text.startswith("--output="))
        assert output == "--output=/Volumes/main/customerio/cio_spark_files/reports/"


def test_syncs_side_by_side_share_one_rate_and_find_tables_and_views() -> None:
    job = JOBS["sync_side_by_side"]
    setup, outer = job["tasks"]
    each = outer["for_each_task"]
    assert command_of(setup) == "setup"
    assert outer["depends_on"] == [{"task_key": setup["task_key"]}]
    (share,) = (text for text in arguments_of(job, each["task"]) if text.startswith("--set=api.share_of_rate="))
    assert each["concurrency"] * float(share.rpartition("=")[2]) <= 1
    names = json.loads(next(item["default"] for item in job["parameters"] if item["name"] == "syncs"))
    assert set(names) <= {read(path)["sync"]["name"] for path in (ROOT / "conf" / "syncs").glob("*.yml")}


@each_job
def test_a_task_depends_on_earlier_tasks_and_waits_for_outcomes_of_conditions_only(key: str) -> None:
    earlier: dict[str, dict[str, Any]] = {}
    for task in JOBS[key]["tasks"]:
        for on in task.get("depends_on", []):
            assert on["task_key"] in earlier
            assert ("outcome" in on) == ("condition_task" in earlier[on["task_key"]])
        assert task["task_key"] not in earlier
        earlier[task["task_key"]] = task


def values_set_by(command: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Return the task values that a command sets, even if it ends with an error."""
    kept: dict[str, Any] = {}

    def keep(key: str, value: Any) -> None:
        kept[key] = value

    jobs = SimpleNamespace(taskValues=SimpleNamespace(set=keep))
    monkeypatch.setattr(databricks, "_dbutils", lambda: SimpleNamespace(jobs=jobs))
    monkeypatch.setenv("DATABRICKS_RUNTIME_VERSION", "18.1")
    result = CliRunner().invoke(app, [command, str(ROOT / "conf" / "syncs"), "--only", "nobody"])
    assert result.exit_code == 2
    return kept


@each_job
def test_a_condition_refers_to_a_value_that_an_earlier_task_really_sets(
    key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    by_key = {task["task_key"]: task for task in all_tasks(JOBS[key])}
    possible = {"may_have_sent": set(MAY_HAVE_SENT.values())}
    for task in JOBS[key]["tasks"]:
        for text in texts(task):
            for name, what, value in re.findall(r"\{\{tasks\.(\w+)\.(\w+)\.?(\w*)\}\}", text):
                assert name in [on["task_key"] for on in task["depends_on"]]
                if what == "result_state":  # Databricks sets it
                    assert (value, task["condition_task"]["right"]) == ("", "success")
                    continue
                assert what == "values"
                assert value in values_set_by(command_of(by_key[name]), monkeypatch)
                # The text it is compared with must be one that the value can have
                assert task["condition_task"]["left"] == text
                assert task["condition_task"]["right"] in possible[value]


@pytest.mark.parametrize("key", SYNC_JOBS)
def test_analysis_is_left_out_exactly_where_nothing_was_sent(key: str) -> None:
    (condition,) = (task["condition_task"] for task in JOBS[key]["tasks"] if task["task_key"] == "anything_sent")
    assert (condition["op"], condition["right"]) == ("NOT_EQUAL", MAY_HAVE_SENT[False])


@pytest.mark.parametrize("key", SYNC_JOBS)
@pytest.mark.parametrize(
    ("wrong", "false", "unset", "not_run", "succeeds"),
    [
        ([], [], [], {}, True),
        ([], ["anything_sent"], [], {"analyze": EXCLUDED}, True),
        # Where Databricks refuses the values of scripts, only the analysis does not run
        ([], [], ["anything_sent"], {"analyze": UPSTREAM_FAILED}, True),
        # A failed sync is analyzed, monitored and reported, and the run fails all the same
        (["sync"], [], [], {"all_well": UPSTREAM_FAILED}, False),
        (["sync"], ["anything_sent"], [], {"analyze": EXCLUDED, "all_well": UPSTREAM_FAILED}, False),
        # One that died has set no value
        (["sync"], [], ["anything_sent"], {"analyze": UPSTREAM_FAILED, "all_well": UPSTREAM_FAILED}, False),
        (["monitor"], [], [], {"all_well": UPSTREAM_FAILED}, False),
        (["analyze"], [], [], {}, True),  # it only shows figures, as the documentation says
        (["report"], [], [], {}, False),
        (["setup"], [], [], {}, False),
    ],
)
def test_what_runs_and_how_a_run_ends(
    key: str, wrong: list[str], false: list[str], unset: list[str], not_run: dict[str, str], *, succeeds: bool
) -> None:
    ends, result = run_through(JOBS[key], lambda task: None if task in unset else task not in [*wrong, *false])
    assert {task: end for task, end in ends.items() if end in (EXCLUDED, UPSTREAM_FAILED)} == not_run
    assert {task for task, end in ends.items() if end == FAILED} == {*wrong, *unset}
    assert ends["monitor"] in (SUCCESS, FAILED)
    assert ends["report"] in (SUCCESS, FAILED)
    assert result is succeeds


@pytest.mark.parametrize("key", SYNC_JOBS)
def test_the_documentation_names_the_last_tasks_that_decide_a_runs_result(key: str) -> None:
    tasks = JOBS[key]["tasks"]
    last = {task["task_key"] for task in tasks} - {
        on["task_key"] for task in tasks for on in task.get("depends_on", [])
    }
    assert last == {"setup", "report", "all_well"}
    assert "`setup`, `report` and `all_well`" in (ROOT / "docs" / "databricks.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("failing", ["setup", "each"])
def test_no_failure_of_syncs_side_by_side_is_hidden(failing: str) -> None:
    assert run_through(JOBS["sync_side_by_side"], lambda task: task != failing)[1] is False
