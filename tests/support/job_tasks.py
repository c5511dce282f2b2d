"""Runs through the tasks of a Databricks job by the rules of its scheduler, and makes the arguments of its scripts."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from bundle import ROOT

SUCCESS, FAILED, UPSTREAM_FAILED, EXCLUDED = "success", "failed", "upstream failed", "excluded"
DYNAMIC = {"job.run_id": "77", "task.name": "sync", "task.execution_count": "1", "job.repair_count": "0"}
"""Values of the references that are about a run."""
_REFERENCE = re.compile(r"\{\{([^}]*)\}\}")


def script_tasks(job: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the tasks of a job that run a script, those inside a `for_each_task` too."""
    for task in job["tasks"]:
        inner = task["for_each_task"]["task"] if "for_each_task" in task else task
        if "spark_python_task" in inner:
            yield inner


def command_of(task: Mapping[str, Any]) -> str:
    """Return the command that the script of a task runs."""
    script = (ROOT / "resources" / task["spark_python_task"]["python_file"]).read_text(encoding="utf-8")
    (name,) = (
        node.args[0].value
        for node in ast.walk(ast.parse(script))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "run_job" and isinstance(node.args[0], ast.Constant)
    )
    assert isinstance(name, str)
    return name


def arguments_of(job: Mapping[str, Any], task: Mapping[str, Any], **parameters: str) -> list[str]:
    """Return the arguments of a task's script as they arrive there.

    Args:
        job: the job.
        task: the task.
        parameters: values of the job's parameters in place of their defaults.

    Raises:
        KeyError: an argument refers to something that does not exist.
    """
    defaults = {parameter["name"]: parameter["default"] for parameter in job["parameters"]}
    assert set(parameters) <= set(defaults)
    known = {f"job.parameters.{name}": value for name, value in {**defaults, **parameters}.items()} | DYNAMIC
    if any("for_each_task" in outer and outer["for_each_task"]["task"] == task for outer in job["tasks"]):
        known["input"] = "orders"
    given = task["spark_python_task"]["parameters"]
    return [_REFERENCE.sub(lambda found: known[found[1].strip()], text) for text in given]


def run_through(job: Mapping[str, Any], end_of: Callable[[str], bool | None]) -> tuple[dict[str, str], bool]:
    """Return the end of each task, and whether the run succeeds.

    The rules are those of the documentation ("Configure task dependencies", "Run if"): a task is excluded if all that
    it depends on is; excluded tasks count as successful; a run fails if a task fails on which no other one depends.

    Args:
        job: a job whose tasks are in the order of their dependencies.
        end_of: says of a script whether it succeeds, and of a condition whether it is true, by the task's key; None
            stands for a condition that fails, because the value it refers to was never set.
    """
    ends: dict[str, str] = {}
    truths: dict[str, str] = {}
    for task in job["tasks"]:
        key = task["task_key"]
        above = [_end_for(on, ends, truths) for on in task.get("depends_on", [])]
        if above and set(above) == {EXCLUDED}:
            ends[key] = EXCLUDED
        elif task.get("run_if", "ALL_SUCCESS") != "ALL_DONE" and {FAILED, UPSTREAM_FAILED} & set(above):
            ends[key] = UPSTREAM_FAILED
        elif "condition_task" in task:
            truth = end_of(key)
            ends[key], truths[key] = FAILED if truth is None else SUCCESS, str(truth).lower()
        else:
            ends[key] = SUCCESS if end_of(key) else FAILED
    inner = {on["task_key"] for task in job["tasks"] for on in task.get("depends_on", [])}
    return ends, all(end in (SUCCESS, EXCLUDED) for key, end in ends.items() if key not in inner)


def _end_for(dependency: Mapping[str, str], ends: Mapping[str, str], truths: Mapping[str, str]) -> str:
    """Return the end of a task as one that depends on it sees it: a condition's other side is excluded."""
    key = dependency["task_key"]
    end = ends[key]
    return EXCLUDED if end == SUCCESS and "outcome" in dependency and truths[key] != dependency["outcome"] else end
